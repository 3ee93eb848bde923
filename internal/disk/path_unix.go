//go:build !windows

package disk

import "strings"

// validName refuses separator and NUL; all else is a name, of any encoding.
func validName(name string) bool {
	return strings.IndexByte(name, '/') < 0 && strings.IndexByte(name, 0) < 0
}
