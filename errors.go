package varve

import (
	"io/fs"
	"syscall"

	"varve/internal/seal"
)

var (
	errWrongKey   = seal.ErrWrongKey
	errReadOnly   = syscall.EROFS
	errPermission = fs.ErrPermission
)
