package disk

import (
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// validName refuses what Windows would read as something else: separators, a stream (':'), wildcards,
// a device ("NUL", "com1.txt"), a final dot or space that is dropped, and bytes that are no UTF-8.
func validName(name string) bool {
	if strings.ContainsAny(name, "\x00/\\:*?\"<>|") || !utf8.ValidString(name) {
		return false
	}
	if last := name[len(name)-1]; last == '.' || last == ' ' {
		return false
	}
	return strings.IndexFunc(name, func(r rune) bool { return r < ' ' }) < 0 && filepath.IsLocal(name)
}
