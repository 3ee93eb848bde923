//go:build !linux && !darwin && !windows

package disk

import "errors"

func (f *osFile) mapAll(size int) ([]byte, func() error, error) {
	return nil, nil, errors.ErrUnsupported
}
