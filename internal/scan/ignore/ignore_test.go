package ignore

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// decide holds path against rules in the root; a final "/" makes it a folder.
func decide(t *testing.T, fold bool, rules, path string) Verdict {
	t.Helper()
	name, isDir := strings.CutSuffix(path, "/")
	v, err := New(Options{FoldCase: fold}, Parse("r", []byte(rules))).Path(name, isDir, nil)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestManual(t *testing.T) {
	tests := []struct{ rules, ignored, kept string }{
		// Statements and examples of gitignore(5).
		{"hello.*", "hello.txt a/hello.java", "hello xhello.c"},
		{"/hello.*", "hello.txt hello.c", "a/hello.java"},
		{"foo/", "foo/ a/foo/ foo/x", "foo a/foo"},
		{"doc/frotz", "doc/frotz doc/frotz/", "a/doc/frotz"},
		{"/doc/frotz", "doc/frotz doc/frotz/", "a/doc/frotz"},
		{"frotz/", "frotz/ a/frotz/", "frotz a/frotz"},
		{"foo/*", "foo/test.json foo/bar/ foo/bar/hello.c", "foo/"},
		{"foo/*.c", "foo/a.c", "foo/b/a.c a.c"},
		{"**/foo", "foo a/foo a/b/foo/", "foox a/foox"},
		{"**/foo/bar", "foo/bar a/foo/bar", "foo/x/bar bar"},
		{"abc/**", "abc/x abc/y/z", "abc/ x/abc/y abcd/x"},
		{"a/**/b", "a/b a/x/b a/x/y/b", "ab axb x/a/b"},
		{"*.html\n!foo.html", "bar.html a/bar.html", "foo.html a/foo.html"},
		{"/*\n!/foo\n/foo/*\n!/foo/bar", "x foo/x x/foo/bar", "foo/ foo/bar foo/bar/x"},
		{"!a\na", "a", ""},
		{"a\n!a", "", "a"},
		{"dir/\n!dir/keep", "dir/keep dir/x", ""}, // below an ignored folder
		{"# c\n\n \nx", "x", "#"},
		{"\\#a\n\\!b", "#a !b", "a b"},
		{"foo[a-z]?", "foobx foozz", "foob fooBx"},
		{"*", ".hidden a a/b", ""},
		// Escapes, sets, odd ends.
		{`a\*b`, "a*b", "axb"},
		{`a\`, "", `a a\`},
		{`a\\`, `a\`, "a"},
		{"[]a]", "] a", "b"},
		{"[!]a]", "b", "] a"},
		{"[^b]", "a", "b"},
		{"[a-]x", "ax -x", "bx"},
		{"[a", "", "a [a"},
		{"[[:digit:]_]", "1 _", "a"},
		{"[![:alpha:]]", "1", "a Z"},
		{"[[:word:]]", "", "a"},
		{"?", "a", "é"},
		{"a[/]b", "", "a/b"},
		{"\xef\xbb\xbfa", "a", ""},
		{"a\r\nb\r", "a b", ""},
		{"a\x00b", "a", "b"},
		{"a\tb\t", "a\tb\t", "a\tb"},
		{"a**b", "axb ab", "ax/b"},
		{"/a**/b", "a/b ab ax/b ax/y/b", "axb xa/b b"}, // "**" right after the literal start
		{"/?a**/b", "xay/b", "xay/z/b xab"},            // elsewhere it is a "*"
		{`a/**\/b`, "a/x/b a/x/y/b", "a/b"},
		{"[[:space:]]", "\t \r", "\v \f"},
		{"a//b", "", "a/b"},
		{"//a", "", "a"},
		{"**", "a a/b", ""},
		{"**/", "a/", "a"},
		{"/", "", "a a/"},
		{"!", "", "a"},
	}
	for _, tt := range tests {
		for _, p := range strings.Split(tt.ignored, " ") {
			if p != "" && !decide(t, false, tt.rules, p).Ignored {
				t.Errorf("rules %q keep %q", tt.rules, p)
			}
		}
		for _, p := range strings.Split(tt.kept, " ") {
			if p != "" && decide(t, false, tt.rules, p).Ignored {
				t.Errorf("rules %q ignore %q", tt.rules, p)
			}
		}
	}
}

func TestTrailingSpaces(t *testing.T) {
	tests := []struct {
		line, name string
		ignored    bool
	}{
		{"a ", "a", true},
		{"a ", "a ", false},
		{`a\ `, "a ", true},
		{`a\  `, "a ", true},
		{`a\\ `, `a\`, true},
		{"a b  ", "a b", true},
		{" a", " a", true},
	}
	for _, tt := range tests {
		if got := decide(t, false, tt.line, tt.name).Ignored; got != tt.ignored {
			t.Errorf("%q on %q: ignored is %v", tt.line, tt.name, got)
		}
	}
}

func TestFoldCase(t *testing.T) {
	tests := []struct {
		rule, name    string
		exact, folded bool
	}{
		{"Readme", "README", false, true},
		{"*.TXT", "a.txt", false, true},
		{"a?C", "ABC", false, true},
		{"/Dir/F*", "dir/foo", false, true},
		{"/dir/**/f", "DIR/x/F", false, true},
		{"[a-c]x", "BX", false, true},
		{"[A-C]x", "bx", false, true},
		{"[[:upper:]]", "a", false, true},
		{"[A]", "a", false, false},
		{"[A]", "A", true, false},
		{`\A`, "A", true, false},
		{"É", "é", false, false},
	}
	for _, tt := range tests {
		if got := decide(t, false, tt.rule, tt.name).Ignored; got != tt.exact {
			t.Errorf("%q on %q: ignored is %v", tt.rule, tt.name, got)
		}
		if got := decide(t, true, tt.rule, tt.name).Ignored; got != tt.folded {
			t.Errorf("%q on %q, folded: ignored is %v", tt.rule, tt.name, got)
		}
	}
}

func TestPrecedence(t *testing.T) {
	root := New(Options{},
		Parse("preset", []byte("*.o\n*.tmp\n")),
		Parse("user", []byte("!keep.o\n")),
		Parse("root", []byte("/sub/deep/x\n*.log\n")))
	sub := root.Enter("sub", Parse("first", []byte("!*.log\n*.tmp\n")), Parse("second", []byte("!a.tmp\n")))
	deep := sub.Enter("deep")
	tests := []struct {
		m       *Matcher
		name    string
		ignored bool
		by      string
	}{
		{root, "a.o", true, "preset:1: *.o"},
		{root, "keep.o", false, "user:1: !keep.o"},
		{root, "a.log", true, "root:2: *.log"},
		{root, "x", false, ""},
		{sub, "a.log", false, "first:1: !*.log"},
		{sub, "a.tmp", false, "second:1: !a.tmp"},
		{sub, "b.tmp", true, "first:2: *.tmp"},
		{sub, "x", false, ""},
		{deep, "x", true, "root:1: /sub/deep/x"},
		{deep, "a.o", true, "preset:1: *.o"},
		{deep, "a.log", false, "first:1: !*.log"},
		{root.Enter("other").Enter("deep"), "x", false, ""},
		{root.Enter("other"), "a.log", true, "root:2: *.log"},
	}
	for _, tt := range tests {
		ignored, by := tt.m.Match(tt.name, false)
		got := ""
		if by != nil {
			got = by.String()
		}
		if ignored != tt.ignored || got != tt.by {
			t.Errorf("%q: ignored is %v by %q, want %v by %q", tt.name, ignored, got, tt.ignored, tt.by)
		}
	}
}

func TestParse(t *testing.T) {
	rules := Parse("dir/.varveignore", []byte("# c\n\n!a/ \r\n \nb"))
	if len(rules) != 2 {
		t.Fatalf("%d rules, want 2", len(rules))
	}
	if r := rules[0]; r.String() != "dir/.varveignore:3: !a/" || !r.Negated() || !r.DirOnly() || r.Dead() {
		t.Errorf("%v, negated %v, folders only %v, dead %v", r, r.Negated(), r.DirOnly(), r.Dead())
	}
	if r := rules[1]; r.String() != "dir/.varveignore:5: b" || r.Negated() || r.DirOnly() {
		t.Errorf("%v, negated %v, folders only %v", r, r.Negated(), r.DirOnly())
	}
	for _, r := range Parse("", []byte("[a\n[[:no:]]\na\\\n!\n/\nx/[")) {
		if !r.Dead() {
			t.Errorf("%q is not reported as dead", r.Pattern)
		}
	}
}

func TestPath(t *testing.T) {
	m := New(Options{}, Parse("r", []byte("out/\n*.o\n")))
	var asked []string
	rules := func(dir string) ([]*Rule, error) {
		asked = append(asked, dir)
		return Parse(dir+"/r", []byte("!k.o\n")), nil
	}
	v, err := m.Path("a/b/k.o", false, rules)
	if err != nil || v.Ignored || v.By == nil || v.By.Source != "a/b/r" || v.At != "a/b/k.o" {
		t.Errorf("%+v, %v", v, err)
	}
	if got := fmt.Sprint(asked); got != "[a a/b]" {
		t.Errorf("asked for the rules of %v", got)
	}
	asked = nil
	v, err = m.Path("a/out/k.o", false, rules)
	if err != nil || !v.Ignored || v.By == nil || v.By.Pattern != "out/" || v.At != "a/out" {
		t.Errorf("%+v, %v", v, err)
	}
	if got := fmt.Sprint(asked); got != "[a]" {
		t.Errorf("asked for the rules of %v: those below an ignored folder do not count", got)
	}
	for _, bad := range []string{"", "/a", "a/", "a//b", ".", "a/../b"} {
		if _, err := m.Path(bad, false, nil); !errors.Is(err, ErrPath) {
			t.Errorf("path %q: error is %v", bad, err)
		}
	}
	broken := errors.New("broken")
	if _, err := m.Path("a/b", false, func(string) ([]*Rule, error) { return nil, broken }); !errors.Is(err, broken) {
		t.Errorf("error is %v", err)
	}
}

// A matcher that tried all ways to spread the stars would never end here.
func TestManyStars(t *testing.T) {
	name := strings.Repeat("a", 250)
	for _, rules := range []string{
		strings.Repeat("a*", 100) + "b",
		strings.Repeat("*a", 100) + "b*c",
		"/" + strings.Repeat("a*", 100) + "b/c",
		strings.Repeat("**/a*/", 60) + "b",
		strings.Repeat(`**\/`, 60) + "b",
	} {
		if v := decide(t, false, rules, strings.Repeat(name+"/", 30)+name); v.Ignored {
			t.Errorf("%.20q… matches", rules)
		}
	}
}

// The globs of a path rule are made one by one from all of its tokens, so they
// must be few for any pattern.
func TestTailsAreFew(t *testing.T) {
	for _, body := range []string{
		strings.Repeat("**/", 1000) + "a", strings.Repeat("a/", 1000) + "b", strings.Repeat("a/**/", 1000) + "**",
		strings.Repeat(`**\/`, 1000), "a" + strings.Repeat("**/", 1000) + "b**",
	} {
		toks, ok := compile(body, true, false)
		if n := len(newPathRule(nil, 0, toks).tails); !ok || n > 3 {
			t.Errorf("%.20q…: %d tails, compiles: %v", body, n, ok)
		}
	}
}

func TestLongName(t *testing.T) {
	name := strings.Repeat("n", 10*nameSize)
	if !decide(t, false, "*n", name+"/"+name).Ignored {
		t.Error("long name is not matched")
	}
}

func TestMatchAllocatesNothing(t *testing.T) {
	for _, fold := range []bool{false, true} {
		m := New(Options{FoldCase: fold}, Parse("", []byte(workRules))).Enter("src")
		n := testing.AllocsPerRun(100, func() {
			m.Match("SomeTexture_albedo.png", false)
			m.Match("module.o", false)
		})
		if n != 0 {
			t.Errorf("fold %v: %v allocations", fold, n)
		}
	}
}

func TestEnterSharesQuietFolders(t *testing.T) {
	m := New(Options{}, Parse("", []byte("*.o\n/a/b\n")))
	a := m.Enter("a")
	if other := m.Enter("other"); other.Enter("x") != other.Enter("y") {
		t.Error("folders without live path rules have matchers of their own")
	}
	if ignored, _ := a.Match("b", false); !ignored {
		t.Error("a/b is kept")
	}
}

// workRules are 40 rules as projects have them.
const workRules = `*.o
*.a
*.so
*.dylib
*.exe
*.dll
*.pyc
*.class
*.log
*.tmp
*.bak
*.swp
*~
.DS_Store
Thumbs.db
desktop.ini
node_modules/
__pycache__/
.cache/
.godot/
/Library/
/Temp/
/Obj/
/Logs/
/target/
/build/
/dist/
*.blend[1-9]
*.blend[12][0-9]
*.blend@
*.kra~
.*.swp
core.[0-9]*
**/gen/out.txt
docs/**/*.html
src/*.min.js
!important.log
!keep.tmp
*.tar.gz
cmake-build-*/
`

var workNames = []string{
	"SomeTexture_albedo.png", "SomeTexture_albedo.png.meta", "main.go", "README.md", "Level_01.unity", "hero.fbx",
	"index.html", "module.o", "package.json", "notes.txt", "IMG_20240501_120000.CR3", "scene.blend", "scene.blend1",
	"model.safetensors", "train-00001-of-00128.parquet", "a", "x.log", "important.log", "kernel.cu", "rock_large_03.uasset",
}

func BenchmarkMatch(b *testing.B) {
	for _, fold := range []bool{false, true} {
		for _, depth := range []int{0, 2} {
			b.Run(fmt.Sprintf("fold=%v/depth=%d", fold, depth), func(b *testing.B) {
				m := New(Options{FoldCase: fold}, Parse("", []byte(workRules)))
				for range depth {
					m = m.Enter("src")
				}
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					m.Match(workNames[i%len(workNames)], false)
					i++
				}
			})
		}
	}
}

func BenchmarkEnter(b *testing.B) {
	m := New(Options{}, Parse("", []byte(workRules)))
	b.ReportAllocs()
	for b.Loop() {
		m.Enter("textures")
	}
}

func BenchmarkEnterWithRules(b *testing.B) {
	m := New(Options{}, Parse("", []byte(workRules)))
	rules := Parse("", []byte(workRules))
	b.ReportAllocs()
	for b.Loop() {
		m.Enter("textures", rules)
	}
}

func BenchmarkParse(b *testing.B) {
	content := []byte(workRules)
	b.SetBytes(int64(len(content)))
	for b.Loop() {
		Parse("", content)
	}
}
