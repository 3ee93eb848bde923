package varve_test

import (
	"bufio"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

// module is the path that the imports of our own packages start with.
const module = "varve"

// passed over: not part of the house.
func passedOver(dir string) bool {
	name := path.Base(dir)
	return dir != "." && (name[0] == '.' || name[0] == '_' || name == "testdata" || dir == "internal/quick")
}

// A room is a package as its sources have it, for every operating system at once, tests left out.
type room struct {
	dir     string // "." is the module's root
	name    string
	doc     string
	imports map[string]string // what → one file that does
	wrongs  []string          // breaches that need no house.txt
}

// A permit is a line of house.txt.
type permit struct {
	dir   string
	may   []string
	order int
}

// TestHouse holds every package to its line of house.txt and to the rules of the house.
func TestHouse(t *testing.T) {
	wrongs, err := inspect(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	for _, wrong := range wrongs {
		t.Error(wrong)
	}
}

// TestHouseNotices: each breach of the rules is told, in one sentence, and a house in order is not.
func TestHouseNotices(t *testing.T) {
	const lines = "low\nhigh: low example.org/mod\n.: high\ncmd/tool: .\n"
	sound := map[string]string{
		"low/low.go":       "// Package low lies below.\npackage low\nimport \"errors\"\nvar ErrX = errors.New(\"x\")\nvar _ error = ErrX\n",
		"low/low_test.go":  "package low\nimport (\n\"os\"\n_ \"varve\"\n)\nvar x = os.Getenv(\"X\")\nfunc init() {}\n",
		"high/high.go":     "// Package high lies above.\npackage high\nimport (\n_ \"example.org/mod/sub\"\n_ \"varve/low\"\n)\n",
		"door.go":          "// Package varve is the door.\npackage varve\nimport _ \"varve/high\"\n",
		"cmd/tool/main.go": "// Command tool does it.\npackage main\nimport (\n\"os\"\n_ \"varve\"\n)\nfunc main() { os.Exit(0) }\n",
	}
	for _, c := range []struct{ name, house, file, text, want string }{
		{"sound", lines, "", "", ""},
		{"illegal import", lines, "low/more.go", "package low\nimport _ \"varve/high\"\n", "low/more.go imports high, which its line in house.txt does not permit"},
		{"illegal import on another system", lines, "low/more_windows.go", "package low\nimport _ \"varve/high\"\n", "low/more_windows.go imports high, which its line in house.txt does not permit"},
		{"illegal module", lines, "low/more.go", "package low\nimport _ \"example.org/mod\"\n", "low/more.go imports example.org/mod, which its line in house.txt does not permit"},
		{"permission not used", strings.Replace(lines, ".: high", ".: high low", 1), "", "", "house.txt lets . import low, and it no longer does: take the word out"},
		{"module not used", strings.Replace(lines, ".: high", ".: high example.org/mod", 1), "", "", "house.txt lets . import example.org/mod, and it no longer does: take the word out"},
		{"upstairs", "high: low example.org/mod\nlow\n.: high\ncmd/tool: .\n", "", "", "house.txt lets high import low, which is not below it"},
		{"no line", lines, "more/more.go", "// Package more is more.\npackage more\n", "package more has no line in house.txt"},
		{"line without package", lines + "more\n", "", "", "house.txt has a line for more, and there is no such package"},
		{"no doc", lines, "low/low.go", "package low\n", `package low has no doc that starts with "Package low"`},
		{"doc of a command", lines, "cmd/tool/main.go", "// Package main does it.\npackage main\nimport _ \"varve\"\nfunc main() {}\n", `package cmd/tool has no doc that starts with "Command"`},
		{"init", lines, "low/more.go", "package low\nfunc init() {}\n", "low/more.go:2: an init function: let main call it"},
		{"variable", lines, "low/more.go", "package low\nvar count int\n", "low/more.go:2: package variable count can change: make it a constant, a function or a field"},
		{"environment", lines, "low/more.go", "package low\nimport \"os\"\nfunc F() string { return os.Getenv(\"X\") }\n", "low/more.go:3: os.Getenv below cmd: have it injected"},
		{"exit", lines, "more.go", "package varve\nimport \"os\"\nfunc F() { os.Exit(1) }\n", "more.go:3: os.Exit below cmd: have it injected"},
		{"clock", lines, "low/more.go", "package low\nimport \"time\"\nfunc F() int { return time.Now().Year() }\n", "low/more.go:3: time.Now below cmd: have it injected"},
		{"chance", lines, "low/more.go", "package low\nimport _ \"math/rand/v2\"\n", "low/more.go imports math/rand/v2: chance and flags come from above"},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := fstest.MapFS{"house.txt": {Data: []byte(c.house)}}
			for name, text := range sound {
				files[name] = &fstest.MapFile{Data: []byte(text)}
			}
			if c.file != "" {
				files[c.file] = &fstest.MapFile{Data: []byte(c.text)}
			}
			got, err := inspect(files)
			if err != nil {
				t.Fatal(err)
			}
			want := []string{c.want}
			if c.want == "" {
				want = nil
			}
			if !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// inspect returns a sentence for each breach in a house.
func inspect(house fs.FS) ([]string, error) {
	permits, err := readHouse(house)
	if err != nil {
		return nil, err
	}
	rooms, err := readRooms(house)
	if err != nil {
		return nil, err
	}
	return append(checkPermits(permits, rooms), checkRooms(permits, rooms)...), nil
}

// checkPermits finds the lines of house.txt that are wrong.
func checkPermits(permits map[string]permit, rooms map[string]*room) []string {
	var out []string
	for _, dir := range slices.Sorted(maps.Keys(permits)) {
		p := permits[dir]
		r := rooms[dir]
		if r == nil {
			out = append(out, fmt.Sprintf("house.txt has a line for %s, and there is no such package", dir))
			continue
		}
		for _, what := range p.may {
			if below, ours := permits[what]; ours && below.order >= p.order {
				out = append(out, fmt.Sprintf("house.txt lets %s import %s, which is not below it", dir, what))
			} else if !ours && !isModule(what) {
				out = append(out, fmt.Sprintf("house.txt lets %s import %s, which has no line", dir, what))
			}
			if !uses(r, what) {
				out = append(out, fmt.Sprintf("house.txt lets %s import %s, and it no longer does: take the word out", dir, what))
			}
		}
	}
	return out
}

// checkRooms finds the packages that are not as house.txt and the rules want them.
func checkRooms(permits map[string]permit, rooms map[string]*room) []string {
	var out []string
	for _, dir := range slices.Sorted(maps.Keys(rooms)) {
		r := rooms[dir]
		p, has := permits[dir]
		if !has {
			out = append(out, fmt.Sprintf("package %s has no line in house.txt", dir))
			continue
		}
		for _, what := range slices.Sorted(maps.Keys(r.imports)) {
			if !slices.ContainsFunc(p.may, func(word string) bool { return covers(word, what) }) {
				out = append(out, fmt.Sprintf("%s imports %s, which its line in house.txt does not permit", r.imports[what], what))
			}
		}
		want := "Package " + r.name
		if r.name == "main" {
			want = "Command"
		}
		if first, _, _ := strings.Cut(strings.TrimPrefix(r.doc, want), "\n"); !strings.HasPrefix(r.doc, want) || len(first) < 2 || first[0] != ' ' {
			out = append(out, fmt.Sprintf("package %s has no doc that starts with %q", dir, want))
		}
		out = append(out, r.wrongs...)
	}
	return out
}

// isModule tells an outside module from a directory of ours: its first element is a host name.
func isModule(word string) bool {
	host, _, _ := strings.Cut(word, "/")
	return word != "." && strings.Contains(host, ".")
}

// covers reports whether the permission word allows what is imported.
func covers(word, what string) bool {
	return word == what || isModule(word) && strings.HasPrefix(what, word+"/")
}

func uses(r *room, word string) bool {
	for what := range r.imports {
		if covers(word, what) {
			return true
		}
	}
	return false
}

// readHouse reads house.txt.
func readHouse(house fs.FS) (map[string]permit, error) {
	const name = "house.txt"
	f, err := house.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	out := map[string]permit{}
	sc := bufio.NewScanner(f)
	for sc.Scan() {
		line, _, _ := strings.Cut(sc.Text(), "#")
		if strings.TrimSpace(line) == "" {
			continue
		}
		dir, may, _ := strings.Cut(line, ":")
		dir = strings.TrimSpace(dir)
		if _, twice := out[dir]; twice {
			return nil, fmt.Errorf("%s has two lines for %s", name, dir)
		}
		out[dir] = permit{dir: dir, may: strings.Fields(may), order: len(out)}
	}
	return out, sc.Err()
}

// readRooms parses every package of the house. It reads files and not the build, so that what only another
// operating system compiles is held to the rules too.
func readRooms(house fs.FS) (map[string]*room, error) {
	rooms := map[string]*room{}
	err := fs.WalkDir(house, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && passedOver(name):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		text, err := fs.ReadFile(house, name)
		if err != nil {
			return err
		}
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, name, text, parser.ParseComments)
		if err != nil {
			return err
		}
		dir := path.Dir(name)
		if rooms[dir] == nil {
			rooms[dir] = &room{dir: dir, name: f.Name.Name, imports: map[string]string{}}
		}
		rooms[dir].read(name, set, f)
		return nil
	})
	return rooms, err
}

// read adds a file to a room.
func (r *room) read(name string, set *token.FileSet, f *ast.File) {
	if f.Doc != nil {
		r.doc = f.Doc.Text()
	}
	for _, s := range f.Imports {
		what, _ := strconv.Unquote(s.Path.Value)
		switch rest, ours := strings.CutPrefix(what, module+"/"); {
		case what == module:
			r.imports["."] = name
		case ours:
			r.imports[rest] = name
		case isModule(what):
			r.imports[what] = name
		case slices.Contains([]string{"math/rand", "math/rand/v2", "flag"}, what) && !r.top() && !mayRoll(name):
			r.wrong("%s imports %s: chance and flags come from above", name, what)
		}
	}
	r.declarations(name, set, f)
	if !r.top() {
		r.calls(name, set, f)
	}
}

// declarations notes init functions and variables.
func (r *room) declarations(name string, set *token.FileSet, f *ast.File) {
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Name.Name == "init" && d.Recv == nil {
				r.wrong("%s:%d: an init function: let main call it", name, set.Position(d.Pos()).Line)
			}
		case *ast.GenDecl:
			if d.Tok != token.VAR {
				continue
			}
			for _, s := range d.Specs {
				v := s.(*ast.ValueSpec)
				for i, n := range v.Names {
					if !constant(n.Name, v, i) {
						r.wrong("%s:%d: package variable %s can change: make it a constant, a function or a field", name, set.Position(n.Pos()).Line, n.Name)
					}
				}
			}
		}
	}
}

// calls notes what looks at the world: whether it is called or handed on.
func (r *room) calls(name string, set *token.FileSet, f *ast.File) {
	ast.Inspect(f, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			x, ok := s.X.(*ast.Ident)
			if ok && x.Obj == nil && worldly(x.Name, s.Sel.Name) && !mayTellTime(name, x.Name, s.Sel.Name) {
				r.wrong("%s:%d: %s.%s below cmd: have it injected", name, set.Position(s.Pos()).Line, x.Name, s.Sel.Name)
			}
		}
		return true
	})
}

func (r *room) wrong(format string, args ...any) {
	r.wrongs = append(r.wrongs, fmt.Sprintf(format, args...))
}

// top reports whether the room is a command, which may see the world.
func (r *room) top() bool { return strings.HasPrefix(r.dir, "cmd/") || r.dir == "bench" }

// worldly reports whether a function looks at the process, the clock or the environment.
func worldly(pkg, name string) bool {
	switch pkg {
	case "os":
		return slices.Contains([]string{"Getenv", "LookupEnv", "Environ", "ExpandEnv", "Exit", "Args", "UserHomeDir", "Getwd"}, name)
	case "time":
		return slices.Contains([]string{"Now", "Since", "Until"}, name)
	case "log":
		return strings.HasPrefix(name, "Fatal")
	}
	return false
}

// mayTellTime: the root fills in the clock where its caller gives none, and two instruments of tests are
// clocks themselves.
func mayTellTime(file, pkg, name string) bool {
	return pkg == "time" && name == "Now" && (file == "vault.go" || file == "internal/simulation/simulation.go")
}

// mayRoll: seeded chance is what sample projects and the instruments of tests are made of; they take the seed
// from above.
func mayRoll(file string) bool {
	return file == "internal/disk/memory_crash.go" || strings.HasPrefix(file, "internal/fixture/") || strings.HasPrefix(file, "internal/simulation/") || strings.HasPrefix(file, "store/storetest/") || strings.HasPrefix(file, "format/formattest/")
}

// constant reports whether a package variable is one in name only: an error, an interface check, a compiled
// pattern, a table that is made once, embedded files.
func constant(name string, v *ast.ValueSpec, i int) bool {
	if t, ok := v.Type.(*ast.SelectorExpr); ok && t.Sel.Name == "FS" && len(v.Values) == 0 {
		if x, ok := t.X.(*ast.Ident); ok && x.Name == "embed" {
			return true
		}
	}
	if name == "_" || strings.HasPrefix(name, "Err") || strings.HasPrefix(name, "err") {
		return true
	}
	if i >= len(v.Values) {
		return false
	}
	call, ok := v.Values[i].(*ast.CallExpr)
	if !ok {
		return false
	}
	s, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	x, ok := s.X.(*ast.Ident)
	if !ok {
		return false
	}
	switch x.Name + "." + s.Sel.Name {
	case "regexp.MustCompile", "sync.OnceValue", "sync.OnceValues":
		return true
	}
	return false
}
