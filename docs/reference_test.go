package docs_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write reference.md")

// TestReference makes reference.md from what the program says of itself: the help of every verb, its exit
// codes, settings and presets; and from the tables of objects_test.go, which TestObjects holds against real
// output.
func TestReference(t *testing.T) {
	b := &book{t: t, bin: filepath.Join(build(t), "varve"), home: t.TempDir()}
	b.run("snap", "-q")
	got := b.reference()
	if *update {
		if err := os.WriteFile("reference.md", []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile("reference.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != got {
		t.Errorf("reference.md is not what the program says of itself: go test ./docs -run TestReference -update\n%s", firstDifference(string(want), got))
	}
}

func firstDifference(a, b string) string {
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(x), len(y)) {
		if x[i] != y[i] {
			return fmt.Sprintf("line %d is\n%s\ninstead of\n%s", i+1, x[i], y[i])
		}
	}
	return fmt.Sprintf("%d lines instead of %d", len(x), len(y))
}

// book runs the program in a home of its own.
type book struct {
	t    *testing.T
	bin  string
	home string

	password, newPassword string
}

// try runs the program in the folder p of the home and returns what it printed and its exit code.
func (b *book) try(args ...string) (stdout string, code int) {
	b.t.Helper()
	dir := filepath.Join(b.home, "p")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		b.t.Fatal(err)
	}
	cmd := exec.Command(b.bin, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+b.home, "USERPROFILE="+b.home, "LOCALAPPDATA="+b.home, "XDG_DATA_HOME="+filepath.Join(b.home, "data"),
		"XDG_CACHE_HOME="+filepath.Join(b.home, "cache"), "XDG_CONFIG_HOME="+filepath.Join(b.home, "config"), "APPDATA="+filepath.Join(b.home, "config"),
		"VARVE_VAULT=", "VARVE_PASSWORD="+b.password, "VARVE_PASSWORD_FILE=", "VARVE_PASSWORD_COMMAND=", "VARVE_NEW_PASSWORD="+b.newPassword, "VARVE_KEYRING=off", "TZ=UTC")
	var out, talk bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &talk
	if err := cmd.Run(); cmd.ProcessState == nil {
		b.t.Fatal(err)
	}
	code = cmd.ProcessState.ExitCode()
	if code != 0 && talk.Len() > 0 {
		b.t.Logf("varve %s: %s", strings.Join(args, " "), talk.String())
	}
	return out.String(), code
}

func (b *book) run(args ...string) string {
	b.t.Helper()
	out, code := b.try(args...)
	if code != 0 {
		b.t.Fatalf("varve %s exits %d", strings.Join(args, " "), code)
	}
	return out
}

var (
	helpGroup = regexp.MustCompile(`^(\S.*):$`)
	helpVerb  = regexp.MustCompile(`^  ([a-z][a-z-]*) +\S`)
	exitLine  = regexp.MustCompile(`^ +([0-9]+)  (\S+) +(.*)$`)
)

// section cuts a help text at its headings: what stands above the first, and each with its lines.
func section(help string) (top string, names []string, bodies map[string]string) {
	bodies = map[string]string{}
	name := ""
	for line := range strings.Lines(help) {
		if m := helpGroup.FindStringSubmatch(strings.TrimRight(line, "\n")); m != nil {
			name = m[1]
			names = append(names, name)
			continue
		}
		if name == "" {
			top += line
		} else {
			bodies[name] += line
		}
	}
	return strings.TrimSpace(top), names, bodies
}

func (b *book) reference() string {
	var w strings.Builder
	w.WriteString("# Reference\n\nGenerated from the program by `go test ./docs -run TestReference -update`, and compared with it by `go test ./docs`.\n\n" +
		"Contents: [verbs](#verbs) · [flags of all verbs](#flags-of-all-verbs) · [exit codes](#exit-codes) · [naming snapshots](#naming-snapshots) ·\n" +
		"[JSON objects](#json-objects) · [settings](#settings) · [presets](#presets) · [environment and files](#environment-and-files)\n\n## Verbs\n\n")
	_, names, groups := section(b.run("help"))
	for _, name := range names {
		if name == "Usage" || name == "Flags" || name == "Additional help topics" {
			continue
		}
		fmt.Fprintf(&w, "%s:\n\n", name)
		for line := range strings.Lines(groups[name]) {
			if m := helpVerb.FindStringSubmatch(line); m != nil {
				b.verb(&w, m[1])
			}
		}
	}
	fmt.Fprintf(&w, "## Flags of all verbs\n\n```text\n%s\n```\n\nVerbs that change something have `-n, --dry-run` as well.\n\n", strings.Trim(before(groups["Flags"], "\nUse \""), "\n"))
	w.WriteString("## Exit codes\n\n| code | word | meaning |\n|---|---|---|\n")
	for line := range strings.Lines(b.run("help", "exit-codes")) {
		if m := exitLine.FindStringSubmatch(strings.TrimRight(line, "\n")); m != nil {
			fmt.Fprintf(&w, "| %s | `%s` | %s |\n", m[1], m[2], m[3])
		}
	}
	w.WriteString("\nWith `--json` the word is the field `code` of `varve.error/1`. What to do about each: [troubleshooting](faq.md).\n\n")
	fmt.Fprintf(&w, "## Naming snapshots\n\n```text\n%s\n```\n\nNo form needs quoting in a shell. A name that fits several snapshots lists them, and nothing is done.\n\n", strings.TrimSpace(b.run("help", "references")))
	describe(&w)
	b.settings(&w)
	w.WriteString(environment)
	return w.String()
}

// verb writes the help of a verb and of those below it, without what all have.
func (b *book) verb(w *strings.Builder, path ...string) {
	if path[0] == "help" {
		return
	}
	top, names, bodies := section(b.run(append([]string{"help"}, path...)...))
	fmt.Fprintf(w, "### varve %s\n\n```text\n%s\n", strings.Join(path, " "), top)
	var below []string
	for _, name := range names {
		body := strings.TrimRight(before(bodies[name], "\nUse \""), "\n")
		switch name {
		case "Global Flags":
			continue
		case "Available Commands":
			for line := range strings.Lines(body) {
				if m := helpVerb.FindStringSubmatch(line); m != nil {
					below = append(below, m[1])
				}
			}
		}
		fmt.Fprintf(w, "\n%s:\n%s\n", name, body)
	}
	w.WriteString("```\n\n")
	for _, sub := range below {
		b.verb(w, append(path, sub)...)
	}
}

func before(s, end string) string {
	s, _, _ = strings.Cut(s, end)
	return s
}

// lines reads JSON lines.
func (b *book) lines(text string) []map[string]any {
	b.t.Helper()
	var out []map[string]any
	for line := range strings.Lines(text) {
		var o map[string]any
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			b.t.Fatalf("%v: %s", err, line)
		}
		out = append(out, o)
	}
	return out
}

func (b *book) settings(w *strings.Builder) {
	w.WriteString("## Settings\n\nOf a project; they are kept in the vault. `varve config set NAME VALUE` changes one, an empty value brings back the default.\n\n| name | default | |\n|---|---|---|\n")
	for _, o := range b.lines(b.run("config", "ls", "--json")) {
		fmt.Fprintf(w, "| `%s` | %s | %s |\n", o["name"], code(fmt.Sprint(o["default"])), o["help"])
	}
	w.WriteString("\n## Presets\n\nA preset is used where the project's folder looks like its kind of project (`ignore.presets = auto`), or where the setting names it.\n\n| preset | leaves out | why that loses nothing |\n|---|---|---|\n")
	for _, o := range b.lines(b.run("ignore", "presets", "--json")) {
		fmt.Fprintf(w, "| %s | %s | %s |\n", strings.TrimPrefix(fmt.Sprint(o["source"]), "preset:"), code(fmt.Sprint(o["pattern"])), o["reason"])
	}
	w.WriteString("\n")
}

func code(s string) string {
	if s == "" {
		return "none"
	}
	return "`" + s + "`"
}

const environment = `## Environment and files

| variable | means |
|---|---|
| ` + "`VARVE_VAULT`" + ` | the vault, where ` + "`--vault`" + ` does not name one |
| ` + "`VARVE_PASSWORD`" + ` | the passphrase, or the recovery key, of a vault that needs one |
| ` + "`VARVE_PASSWORD_FILE`" + ` | a file that holds it, where the first is not set; one line end is not part of it |
| ` + "`VARVE_PASSWORD_COMMAND`" + ` | a command that prints it, where the other two are not set. No shell runs it: it is split into words at blanks; ` + "`'…'`, `\"…\"` and `\\`" + ` keep blanks |
| ` + "`VARVE_NEW_PASSWORD`, `VARVE_NEW_PASSWORD_FILE`, `VARVE_NEW_PASSWORD_COMMAND`" + ` | likewise a passphrase that is to be set |
| ` + "`VARVE_KEYRING=off`" + ` | what ` + "`varve key remember`" + ` keeps is kept in a file, not in the keyring of the system |
| ` + "`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`" + ` | the key of an S3 service |
| ` + "`AWS_SHARED_CREDENTIALS_FILE`, `AWS_PROFILE`" + ` | a file that has it, where it is not ` + "`~/.aws/credentials`" + `, and the section of it |
| ` + "`AWS_REGION`, `AWS_DEFAULT_REGION`, `AWS_CA_BUNDLE`" + ` | what an address of S3 may say as ` + "`region`" + ` and ` + "`ca`" + ` |
| ` + "`SSH_AUTH_SOCK`" + ` | the agent with the keys for SFTP |
| ` + "`HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`" + ` | the way to an S3 service |
| ` + "`XDG_DATA_HOME`, `XDG_CACHE_HOME`" + ` | on Linux: where the user's vault and the cache are |
| ` + "`XDG_CONFIG_HOME`" + ` | on Linux: where what is remembered of vaults is |
| ` + "`LOCALAPPDATA`, `APPDATA`" + ` | the same on Windows |
| ` + "`TERM=dumb`" + ` | progress in plain lines |
| ` + "`VARVE_METRICS`, `VARVE_RUN`" + ` | set by ` + "`varve guard`" + ` for its command: the file to append metrics to, the id of the run |
| ` + "`VARVE_PROJECT`, `VARVE_VERSION`" + ` | set by ` + "`varve bisect run`" + ` for its command: the project's folder, the version that is tried |

| place | holds |
|---|---|
| ` + "`~/.local/share/varve/vault`" + ` | the user's vault on Linux; ` + "`~/Library/Application Support/varve/vault`" + ` on macOS, ` + "`%LOCALAPPDATA%\\varve\\vault`" + ` on Windows |
| ` + "`~/.cache/varve`" + ` | what makes the next snapshot quick; may be deleted. ` + "`~/Library/Caches/varve`" + `, ` + "`%LOCALAPPDATA%\\varve\\cache`" + ` |
| ` + "`~/.config/varve/keys`" + ` | what ` + "`varve key remember`" + ` keeps where there is no keyring; a file a vault. ` + "`~/Library/Application Support/varve/keys`, `%APPDATA%\\varve\\keys`" + ` |
| ` + "`~/.config/varve/seen`" + ` | which snapshots this machine has seen; a file a vault. ` + "`~/Library/Application Support/varve/seen`, `%APPDATA%\\varve\\seen`" + ` |
| ` + "`.varve/project.toml`" + ` | in a project's folder: its id, which ties it to its history |
| ` + "`.varve/vault`" + ` | in a project's folder: its own vault, made by ` + "`varve init --here`" + ` |
| ` + "`.varveignore`" + ` | in any folder of a project: what is left out |
| ` + "`varve-guard.toml`" + ` | in a project's folder: [the policy](experiments.md#the-policy) of its guarded runs |
| ` + "`.varve/runs`, `.varve/revert`, `.varve/bisect.json`" + ` | in a project's folder: what is under way |
| ` + "`.varve/rollback`" + ` | in a project's folder: scripts of milestones, where the setting wants them |

Which vault is used: the one that ` + "`--vault`" + ` names, else ` + "`VARVE_VAULT`" + `, else ` + "`.varve/vault`" + ` of the project, else the user's.
`

// TestLinks follows every link between the documents.
func TestLinks(t *testing.T) {
	files, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob("decisions/*.md")
	if err != nil {
		t.Fatal(err)
	}
	files = append(append(files, more...), "../README.md", "../CONTRIBUTING.md", "../CHANGELOG.md", "../spec/vault.md")
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	n := 0
	for _, from := range files {
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			target, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			n++
			at := filepath.Join(filepath.Dir(from), target)
			if target == "" {
				at = from
			}
			body, err := os.ReadFile(at)
			if info, statErr := os.Stat(at); statErr == nil && info.IsDir() && anchor == "" {
				continue
			}
			if err != nil {
				t.Errorf("%s: link to %s: %v", from, m[1], err)
				continue
			}
			if anchor != "" && !anchors(string(body))[anchor] {
				t.Errorf("%s: link to %s: no such heading", from, m[1])
			}
		}
	}
	if n < 20 {
		t.Errorf("only %d links found", n)
	}
}

// anchors are the headings of a document as links name them.
func anchors(text string) map[string]bool {
	out := map[string]bool{}
	fenced := false
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "```") {
			fenced = !fenced
		}
		title := strings.TrimLeft(line, "#")
		if fenced || title == line || !strings.HasPrefix(title, " ") {
			continue
		}
		var b strings.Builder
		for _, r := range strings.ToLower(strings.TrimSpace(title)) {
			switch {
			case r == ' ' || r == '-':
				b.WriteByte('-')
			case r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '_':
				b.WriteRune(r)
			}
		}
		out[b.String()] = true
	}
	return out
}

// TestObjects holds the tables of objects_test.go against what the program prints: in each object every
// field that is not marked optional, none that the table lacks, all of the kind it says.
func TestObjects(t *testing.T) {
	b := &book{t: t, bin: filepath.Join(build(t), "varve"), home: t.TempDir()}
	c := newChecker(t)
	for _, line := range session(b) {
		c.object(line, "")
	}
	c.unseen(runtime.GOOS)
}
