package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"varve/format"
	"varve/format/png"
	"varve/format/preview"
	"varve/format/raster"
)

// viewersFile is in the folder of the user's settings: never in a project, which may be somebody else's.
const viewersFile = "viewers.toml"

// viewer is a program of this machine that makes pictures of files which varve does not decode. There is none but those
// that the user has declared.
type viewer struct {
	ID      string   `toml:"name"`
	Files   []string `toml:"files"`   // patterns of names
	Command []string `toml:"command"` // words, of which {in} and {out} are replaced; no shell sees them
	Seconds int      `toml:"seconds"` // until it is killed; 0: 20

	environment []string
}

// Bounds of what a viewer gets and gives, in bytes.
const (
	maxViewed  = 2 << 30
	maxPicture = 256 << 20
)

const defaultSeconds, maxSeconds = 20, 600

// viewers reads what the user has declared; none without the file.
func (e *env) viewers() (format.Set, error) {
	at := filepath.Join(e.configDir(), viewersFile)
	b, err := os.ReadFile(at)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, cause(err)
	}
	all, err := parseViewers(b)
	if err != nil {
		return nil, hinted(fmt.Errorf("viewers: %w", err), "they are declared in "+at)
	}
	var out format.Set
	for _, v := range all {
		for _, name := range []string{"PATH", "HOME", "USERPROFILE", "SYSTEMROOT", "LD_LIBRARY_PATH", "DISPLAY", "XDG_RUNTIME_DIR"} {
			if x := e.getenv(name); x != "" {
				v.environment = append(v.environment, name+"="+x)
			}
		}
		out = append(out, v)
	}
	return out, nil
}

func parseViewers(b []byte) ([]*viewer, error) {
	var file struct {
		Viewer []*viewer `toml:"viewer"`
	}
	meta, err := toml.Decode(string(b), &file)
	if err != nil {
		return nil, err
	}
	if more := meta.Undecoded(); len(more) > 0 {
		return nil, fmt.Errorf("unknown setting %q", more[0].String())
	}
	seen := map[string]bool{}
	for _, v := range file.Viewer {
		words := strings.Join(v.Command, " ")
		switch {
		case !regexp.MustCompile(`^[a-z0-9-]{1,32}$`).MatchString(v.ID) || seen[v.ID]:
			return nil, fmt.Errorf("name %q: want letters, digits and dashes, each name once", v.ID)
		case len(v.Files) == 0:
			return nil, fmt.Errorf("%s: files is missing", v.ID)
		case !strings.Contains(words, "{in}") || !strings.Contains(words, "{out}"):
			return nil, fmt.Errorf("%s: the command must have {in} and {out}", v.ID)
		case v.Seconds < 0 || v.Seconds > maxSeconds:
			return nil, fmt.Errorf("%s: seconds: want at most %d", v.ID, maxSeconds)
		}
		for _, p := range v.Files {
			if _, err := path.Match(p, ""); err != nil {
				return nil, fmt.Errorf("%s: pattern %q: %w", v.ID, p, err)
			}
		}
		seen[v.ID] = true
	}
	return file.Viewer, nil
}

// Name is "viewer-" and the name that the user gave.
func (v *viewer) Name() string { return "viewer-" + v.ID }

// Revision is another for another command.
func (v *viewer) Revision() string { return strings.Join(v.Command, "\x00") }

// Match goes by the name.
func (v *viewer) Match(name string, _ []byte) bool {
	for _, p := range v.Files {
		if ok, _ := path.Match(strings.ToLower(p), strings.ToLower(path.Base(name))); ok {
			return true
		}
	}
	return false
}

// Decode has the program make a PNG of the file.
func (v *viewer) Decode(ctx context.Context, in format.Input) (*raster.Image, error) {
	b, err := v.run(ctx, in)
	if err != nil {
		return nil, err
	}
	return png.Format{}.Decode(ctx, format.Bytes(b))
}

// Picture shows what the program makes of the file; where it fails, the preview in the file, if there is one.
func (v *viewer) Picture(ctx context.Context, in format.Input, size int) (*format.Picture, error) {
	p, err := v.Decode(ctx, in)
	if err == nil {
		return &format.Picture{Image: p, Source: format.Rendered, Note: "by the viewer " + v.ID}, nil
	}
	if inside, perr := (preview.Format{}).Picture(ctx, in, size); perr == nil {
		return inside, nil
	}
	return nil, err
}

// run gives the program a copy of the file in a folder of its own, and takes the PNG that it leaves there.
func (v *viewer) run(ctx context.Context, in format.Input) (_ []byte, err error) {
	if in.Size() > maxViewed {
		return nil, fmt.Errorf("%d bytes: %w", in.Size(), format.ErrLimit)
	}
	dir, err := os.MkdirTemp("", "varve-view-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	from, to := filepath.Join(dir, "in"+v.suffix()), filepath.Join(dir, "out.png")
	if err := copyTo(from, in); err != nil {
		return nil, err
	}
	limit := time.Duration(cmp.Or(v.Seconds, defaultSeconds)) * time.Second
	timed, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	words := make([]string, len(v.Command))
	for i, w := range v.Command {
		words[i] = strings.NewReplacer("{in}", from, "{out}", to).Replace(w)
	}
	cmd := exec.CommandContext(timed, words[0], words[1:]...)
	said := &firstBytes{room: 2 << 10}
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, said, said
	cmd.Env = append([]string{"TMPDIR=" + dir, "TEMP=" + dir, "TMP=" + dir, "LC_ALL=C"}, v.environment...)
	cmd.WaitDelay = 2 * time.Second
	together(cmd)
	if err := cmd.Run(); err != nil {
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case timed.Err() != nil:
			return nil, fmt.Errorf("%s took more than %v: %w", v.Command[0], limit, format.ErrLimit)
		}
		return nil, &viewerError{strings.TrimSpace(fmt.Sprintf("%s: %v: %s", v.Command[0], err, said.String()))}
	}
	return readPicture(to, v.Command[0])
}

// viewerError says what went wrong with a program. It is an ErrFailed: nothing is known of the file, and it is tried again.
type viewerError struct{ text string }

func (e *viewerError) Error() string { return e.text }
func (e *viewerError) Unwrap() error { return format.ErrFailed }

// suffix is what the copy's name ends in, for programs that go by it.
func (v *viewer) suffix() string {
	if ext := path.Ext(v.Files[0]); !strings.ContainsAny(ext, "*?[\\/") {
		return ext
	}
	return ""
}

func copyTo(at string, in format.Input) error {
	f, err := os.OpenFile(at, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, io.NewSectionReader(in, 0, in.Size()))
	return errors.Join(err, f.Close())
}

// readPicture reads what a program has left, if that is a file and no larger than it may be.
func readPicture(at, program string) ([]byte, error) {
	info, err := os.Lstat(at)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &viewerError{program + " made no picture"}
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, &viewerError{program + " made no file"}
	case info.Size() > maxPicture:
		return nil, fmt.Errorf("a picture of %d bytes: %w", info.Size(), format.ErrLimit)
	}
	return os.ReadFile(at)
}

// firstBytes keeps the beginning of what is written.
type firstBytes struct {
	bytes.Buffer
	room int
}

func (f *firstBytes) Write(b []byte) (int, error) {
	n := min(len(b), f.room)
	f.room -= n
	f.Buffer.Write(b[:n])
	return len(b), nil
}
