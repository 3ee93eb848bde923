package ignore

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

var (
	gitSets = flag.Int("ignore.sets", 2000, "random pattern sets compared with git")
	gitSeed = flag.Uint64("ignore.seed", 1, "seed of the random pattern sets")
)

// Names of folders and files share no spelling that differs in case only, so
// that the layout is the same on volumes that fold case.
var (
	dirNames  = []string{"a", "b", "foo", "Bar", "a b", `c\d`, "[x]", "é", ".d", "#h", "!n", "-m", "sub.dir"}
	fileNames = []string{
		"x", "y", "foo.o", "Main.C", "a.txt", "abc", "aXc", "b-c", "foobar", "file ", " lead", "tail\\",
		`q\r`, "[a]", "]", "*", "?", "**", "#c", "!k", "-dash", "--", ".hid", "..x", "ü.txt", "日本", "^u", "a]b",
		"t\tb", "v\vt", "x\t", "x\v", "n\nl", "c\r", "\x7f", "~", "x~", "0", "9z", "a:b", "{a,b}", "$v", "base", "Zed", "\xff\xfe",
	}
	fragments = []string{
		"a", "b", "c", "foo", "Bar", ".o", ".txt", "*", "*", "*", "**", "***", "?", "/", "/", "/**", "**/", "/**/",
		"/*/", "[ab]", "[!a]", "[^a]", "[a-c]", "[c-a]", "[]a]", "[!]a]", "[a-]", "[-a]", "[--0]", "[a", "[", "]", "[]",
		"[[:alpha:]]", "[[:digit:]x]", "[![:space:]]", "[[:space:]]", "[[:upper:]]", "[[:lower:]]", "[[:punct:]]", "[[:cntrl:]]",
		"[[:print:]]", "[[:graph:]]", "[[:alnum:]]", "[[:blank:]]", "[[:xdigit:]]", "[[:nope:]]", "[[:alpha]", "[[:]",
		"[[::]]", "[a-[:alpha:]]", "[[:alpha:]-z]", `[\]]`, `[\a-\c]`, `[a\-c]`, "[A-C]", "[A]", "[X]", `[\`, "[a/b]", "[^/]",
		`\`, `\\`, `\a`, `\A`, `\*`, `\?`, `\[`, `\/`, `\ `, " ", "  ", "\t", "\r", "!", "#", `\!`, `\#`, "é", "\xc3",
		"x", "X", "0", "-", "^", "~", ".", "..", "{a,b}", "\xff", "\x00", "//", "日",
	}
)

// Names and fragments of the dense kind of fixture: few letters, many folders,
// so that patterns with slashes and stars match often.
var (
	denseNames     = []string{"a", "b", "ab", "ba"}
	denseFragments = []string{
		"a", "b", "a", "b", "/", "/", "/", "*", "*", "**", "**", "***", "?", "[ab]", "[!b]", "[a/b]", `\a`, `\/`,
		"/**/", "**/", "/**", "**/**", "/*/", `/**\/`,
	}
)

// fixture is one folder of the repository with its own rule files.
type fixture struct {
	name  string
	files map[string][]byte // folder below name ("" for itself) to content
	paths []string          // below name; those in dirs are folders
	dirs  map[string]bool
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

func newFixture(r *rand.Rand, name string) fixture {
	f := fixture{name: name, files: map[string][]byte{}, dirs: map[string]bool{}}
	dirs := []string{""}
	for len(dirs) < 6 {
		d := path.Join(pick(r, dirs), pick(r, dirNames))
		if !f.dirs[d] {
			f.dirs[d] = true
			dirs = append(dirs, d)
			f.paths = append(f.paths, d)
		}
	}
	for len(f.paths) < 64 {
		n := pick(r, fileNames)
		if r.IntN(4) == 0 {
			// Never a folder's name: those start otherwise.
			n = strings.NewReplacer("/", "", "\x00", "").Replace("x" + pick(r, fragments) + pick(r, fragments))
		}
		if d := pick(r, dirs); d != "" {
			n = d + "/" + n
		}
		f.paths = append(f.paths, n)
	}
	for i, d := range dirs {
		if i == 0 || r.IntN(6) == 0 {
			f.files[d] = randomRules(r, f.paths)
		}
	}
	return f
}

func newDenseFixture(r *rand.Rand, name string) fixture {
	f := fixture{name: name, files: map[string][]byte{}, dirs: map[string]bool{}}
	seen := map[string]bool{}
	for len(f.paths) < 64 {
		p := pick(r, denseNames)
		for range r.IntN(5) {
			p += "/" + pick(r, denseNames)
		}
		if seen[p] {
			continue
		}
		seen[p] = true
		f.paths = append(f.paths, p)
		if len(f.paths) <= 3 {
			for d := p; d != "."; d = path.Dir(d) {
				f.dirs[d] = true
			}
		}
	}
	rules := func() []byte {
		var b bytes.Buffer
		for range 1 + r.IntN(5) {
			b.WriteString(pick(r, []string{"", "", "!"}))
			for range 1 + r.IntN(6) {
				b.WriteString(pick(r, denseFragments))
			}
			b.WriteString(pick(r, []string{"\n", "\n", "/\n"}))
		}
		return b.Bytes()
	}
	f.files[""] = rules()
	for _, p := range f.paths[:3] {
		if r.IntN(5) == 0 {
			f.files[p] = rules()
		}
	}
	return f
}

func randomRules(r *rand.Rand, paths []string) []byte {
	var b bytes.Buffer
	if r.IntN(10) == 0 {
		b.WriteString("\xef\xbb\xbf")
	}
	for range 1 + r.IntN(6) {
		if r.IntN(4) == 0 {
			b.WriteString("!")
		}
		if r.IntN(3) == 0 {
			for range 1 + r.IntN(5) {
				b.WriteString(pick(r, fragments))
			}
		} else {
			b.WriteString(mutate(r, pick(r, paths)))
		}
		b.WriteString(pick(r, []string{"", "", "", "", "/", "/**", " ", `\ `, "  "}))
		b.WriteString(pick(r, []string{"\n", "\n", "\n", "\n", "\r\n", "\n\n", "\r\r\n", "\n#c\n", "\n\xef\xbb\xbf"}))
	}
	out := b.Bytes()
	if r.IntN(5) == 0 {
		out = bytes.TrimSuffix(out, []byte("\n"))
	}
	return out
}

// mutate makes a pattern that is likely to match p or a neighbour.
func mutate(r *rand.Rand, p string) string {
	var b strings.Builder
	if r.IntN(3) == 0 {
		p = path.Base(p)
	}
	if r.IntN(4) == 0 {
		b.WriteString("/")
	}
	rate := 2 + r.IntN(12)
	for i := 0; i < len(p); i++ {
		if r.IntN(rate) != 0 {
			b.WriteByte(p[i])
			continue
		}
		switch r.IntN(9) {
		case 0:
			b.WriteString(pick(r, fragments))
		case 1:
			b.WriteString("*")
			i += r.IntN(4)
		case 2:
			b.WriteString("?")
		case 3:
			b.WriteString("**")
			i += r.IntN(6)
		case 4:
			fmt.Fprintf(&b, "[%s%c]", pick(r, []string{"", "!", "^", "b-", "A-", "[:alpha:]", `\`}), p[i])
		case 5:
			b.WriteByte('\\')
			b.WriteByte(p[i])
		case 6:
			b.WriteByte(p[i] ^ 0x20)
		case 7:
			b.WriteString(pick(r, []string{"**/", "/**", "/**/", "*/", "/*", "/"}))
		case 8:
			if j := strings.IndexByte(p[i:], '/'); j >= 0 {
				b.WriteString("**")
				i += j - 1
			}
		}
	}
	return b.String()
}

// Rules below those of all folders, lowest first.
var baseRules = [2]string{"*base\n[0-9]z\n/s00?1/**/x\n", "!base\n**/foo/y\n*.c\n"}

// layOut writes the repository: folders and rule files only, since a path that
// does not exist counts as a file.
func layOut(t *testing.T, root string, fixtures []fixture) {
	t.Helper()
	if out, err := exec.Command("git", "init", "-q", root).CombinedOutput(); err != nil {
		t.Fatalf("git init: %v: %s", err, out)
	}
	write := func(name string, content []byte) {
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, content, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(root, ".git", "lowest"), []byte(baseRules[0]))
	write(filepath.Join(root, ".git", "info", "exclude"), []byte(baseRules[1]))
	for _, f := range fixtures {
		for _, p := range f.paths {
			if f.dirs[p] {
				if err := os.MkdirAll(filepath.Join(root, f.name, p), 0o777); err != nil {
					t.Fatal(err)
				}
			}
		}
		for d, content := range f.files {
			write(filepath.Join(root, f.name, d, ".gitignore"), content)
		}
	}
}

// gitVerdicts asks git about all paths; each answer is "SOURCE:LINE:PATTERN", or
// "::" where no rule matches.
func gitVerdicts(t *testing.T, root string, fold bool, paths []string) []string {
	t.Helper()
	cmd := exec.Command("git", "-c", "core.ignorecase="+strconv.FormatBool(fold),
		"-c", "core.excludesFile="+filepath.Join(root, ".git", "lowest"),
		"check-ignore", "-v", "-n", "-z", "--no-index", "--stdin")
	cmd.Dir = root
	cmd.Stdin = strings.NewReader(strings.Join(paths, "\x00") + "\x00")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil && cmd.ProcessState.ExitCode() != 1 {
		t.Fatalf("git check-ignore: %v: %s", err, stderr.Bytes())
	}
	fields := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
	if len(fields) != 4*len(paths) {
		t.Fatalf("git answered %d fields for %d paths", len(fields), len(paths))
	}
	verdicts := make([]string, len(paths))
	for i := range paths {
		f := fields[4*i : 4*i+4]
		if f[3] != paths[i] {
			t.Fatalf("git answered about %q, not %q", f[3], paths[i])
		}
		verdicts[i] = f[0] + ":" + f[1] + ":" + f[2]
	}
	return verdicts
}

func requireGit(t *testing.T) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("names of the layout are not valid on windows: not compared with git")
	}
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git not found: not compared with it")
	}
}

func TestEqualsGit(t *testing.T) {
	requireGit(t)
	r := rand.New(rand.NewPCG(*gitSeed, 0))
	var fixtures []fixture
	var paths []string
	for i := range *gitSets {
		name := fmt.Sprintf("s%04d", i)
		f := newFixture(r, name)
		if i%3 == 0 {
			f = newDenseFixture(r, name)
		}
		fixtures = append(fixtures, f)
		for _, p := range f.paths {
			paths = append(paths, f.name+"/"+p)
		}
	}
	root := t.TempDir()
	layOut(t, root, fixtures)
	for _, fold := range []bool{false, true} {
		t.Run(fmt.Sprintf("fold=%v", fold), func(t *testing.T) {
			compareWithGit(t, root, fold, fixtures, paths)
		})
	}
}

func compareWithGit(t *testing.T, root string, fold bool, fixtures []fixture, paths []string) {
	want := gitVerdicts(t, root, fold, paths)
	base := New(Options{FoldCase: fold},
		Parse(filepath.Join(root, ".git", "lowest"), []byte(baseRules[0])),
		Parse(".git/info/exclude", []byte(baseRules[1])))
	matched, negated, wrong := 0, 0, 0
	i := 0
	for _, f := range fixtures {
		rules := func(dir string) ([]*Rule, error) {
			below := strings.TrimPrefix(strings.TrimPrefix(dir, f.name), "/")
			return Parse(path.Join(dir, ".gitignore"), f.files[below]), nil
		}
		for _, p := range f.paths {
			v, err := base.Path(paths[i], f.dirs[p], rules)
			if err != nil {
				t.Fatal(err)
			}
			got := "::"
			if v.By != nil {
				got = fmt.Sprintf("%s:%d:%s", v.By.Source, v.By.Line, v.By.Pattern)
				matched++
				if v.By.Negated() {
					negated++
				}
				if v.Ignored == v.By.Negated() {
					t.Errorf("%q: ignored is %v by %v", paths[i], v.Ignored, v.By)
				}
			}
			if got != want[i] {
				if wrong++; wrong <= 10 {
					t.Errorf("%q (folder: %v): decided by %q, by git %q", paths[i], f.dirs[p], got, want[i])
				}
			}
			i++
		}
	}
	t.Logf("%d sets, %d paths: %d matched, %d of them re-included, %d unlike git", len(fixtures), len(paths), matched, negated, wrong)
	// Too few matches would compare nothing.
	if matched < len(paths)/10 || negated < len(paths)/100 || matched > len(paths)*9/10 {
		t.Errorf("%d of %d paths matched, %d re-included: the sets say too little", matched, len(paths), negated)
	}
}
