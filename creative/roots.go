package creative

import (
	"path"
	"slices"
	"strings"
)

// roots are the folders of a project by the files that may mark them as the root of something: by a file's name, and by
// "*" and its extension.
type roots map[string][]string

func rootsOf(nodes []Node) roots {
	out := roots{}
	for i := range nodes {
		dir, base := path.Split(nodes[i].Path)
		dir = strings.TrimSuffix(dir, "/")
		out[base] = append(out[base], dir)
		if ext := path.Ext(base); ext != "" && ext != base {
			out["*"+ext] = append(out["*"+ext], dir)
		}
	}
	for k := range out {
		slices.Sort(out[k])
		out[k] = slices.Compact(out[k])
	}
	return out
}

// find returns the nearest folder around a file that a mark of a [format.Reference] is in.
func (r roots) find(self, mark string) (at string, ok bool) {
	mark, anywhere := strings.CutPrefix(mark, "**/")
	below, base := path.Split(mark) // "ProjectSettings/", "ProjectVersion.txt"
	marked := func(dir string) bool {
		_, found := slices.BinarySearch(r[base], strings.TrimSuffix(path.Join(dir, below), "/"))
		return found
	}
	for d := path.Dir(self); ; d = path.Dir(d) {
		if d == "." {
			d = ""
		}
		if marked(d) {
			return d, true
		}
		if d == "" {
			break
		}
	}
	if !anywhere {
		return "", false
	}
	most := -1
	for _, d := range r[base] {
		d, ok := cutFolder(d, strings.TrimSuffix(below, "/"))
		if n := common(self, d+"/x"); ok && n > most {
			at, most = d, n
		}
	}
	return at, most >= 0
}

// cutFolder takes the last folders of a path off.
func cutFolder(dir, below string) (string, bool) {
	if below == "" {
		return dir, true
	}
	if dir == below {
		return "", true
	}
	return strings.CutSuffix(dir, "/"+below)
}

// common counts the folders that two files are in both.
func common(a, b string) (n int) {
	for {
		x, restA, okA := strings.Cut(a, "/")
		y, restB, okB := strings.Cut(b, "/")
		if !okA || !okB || x != y {
			return n
		}
		n, a, b = n+1, restA, restB
	}
}

// inside reports whether a file is in a folder; "" has all.
func inside(at, root string) bool { return root == "" || strings.HasPrefix(at, root+"/") }
