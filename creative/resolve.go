package creative

import (
	"errors"
	"io/fs"
	"maps"
	"math"
	"path"
	"slices"
	"strings"

	"varve/format"
)

// Resolve returns the path in the project that a reference of the file at from leads to; root is the folder that Rooted
// paths begin at. ok is false where it leads elsewhere: out of the project, to the network, to a name that only an index
// of the project can find.
func Resolve(from, root string, r *format.Reference) (at string, ok bool) {
	p := strings.ReplaceAll(r.Path, `\`, "/")
	switch r.Style {
	case format.Relative:
		at = join(from, p)
	case format.Rooted:
		at = path.Join(root, strings.TrimPrefix(p, "/"))
	default:
		return "", false
	}
	if at == "." || at == ".." || strings.HasPrefix(at, "../") || strings.HasPrefix(at, "/") {
		return "", false
	}
	return at, true
}

// join is path.Join of the folder of a file and a path, which is seldom to be cleaned but for its first steps up.
func join(from, p string) string {
	end, rest := strings.LastIndexByte(from, '/'), p
	for end >= 0 && strings.HasPrefix(rest, "../") {
		end, rest = strings.LastIndexByte(from[:end], '/'), rest[3:]
	}
	if rest == "" || rest[0] == '.' || rest[0] == '/' || strings.HasSuffix(rest, "/") || strings.Contains(rest, "//") || strings.Contains(rest, "/.") {
		return path.Join(path.Dir(from), p)
	}
	return from[:end+1] + rest
}

func isNotExist(err error) bool { return errors.Is(err, fs.ErrNotExist) }

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func distance(a, b [3]float64) float64 {
	return math.Sqrt((a[0]-b[0])*(a[0]-b[0]) + (a[1]-b[1])*(a[1]-b[1]) + (a[2]-b[2])*(a[2]-b[2]))
}
