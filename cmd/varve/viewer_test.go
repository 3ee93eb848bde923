package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	stdpng "image/png"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"varve/format"
)

// TestViewerPrograms: a program that the user has declared makes pictures; what it leaves undone, or does too long, is
// said, and it is stopped with what it has started.
func TestViewerPrograms(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("SKIP: the programs of this test are scripts of a Unix shell")
	}
	dir := t.TempDir()
	var picture bytes.Buffer
	m := image.NewNRGBA(image.Rect(0, 0, 3, 2))
	m.Set(2, 1, color.NRGBA{9, 8, 7, 255})
	if err := errors.Join(stdpng.Encode(&picture, m), os.WriteFile(filepath.Join(dir, "p.png"), picture.Bytes(), 0o644)); err != nil {
		t.Fatal(err)
	}
	mark := filepath.Join(dir, "mark")
	script := func(text string) *viewer {
		at := filepath.Join(dir, fmt.Sprintf("v%x.sh", []byte(text)[:min(len(text), 40)]))
		if err := os.WriteFile(at, []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		return &viewer{ID: "x", Files: []string{"*.odd"}, Command: []string{at, "{in}", "--to={out}", "$(touch " + mark + ")"}, Seconds: 1, environment: []string{"PATH=" + os.Getenv("PATH")}}
	}
	in := format.Bytes([]byte("odd content"))
	for name, c := range map[string]struct {
		text string
		is   error
		says string
	}{
		"right":   {`grep -q "odd content" "$1" && case "$1" in *.odd) cp ` + dir + `/p.png "${2#--to=}";; esac`, nil, ""},
		"nothing": {`exit 0`, format.ErrFailed, "made no picture"},
		"failed":  {`echo bad colours >&2; exit 3`, format.ErrFailed, "bad colours"},
		"link":    {`ln -s ` + dir + `/p.png "${2#--to=}"`, format.ErrFailed, "made no file"},
		"no PNG":  {`cp "$1" "${2#--to=}"`, format.ErrMalformed, ""},
		"slow":    {`sleep 600.0371 & sleep 600.0371`, format.ErrLimit, "took more than 1s"},
		"large":   {`truncate -s 300M "${2#--to=}"`, format.ErrLimit, ""},
		"secrets": {`test -z "$VARVE_PASSWORD" && cp ` + dir + `/p.png "${2#--to=}"`, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("VARVE_PASSWORD", "secret")
			t.Setenv("TMPDIR", t.TempDir())
			p, err := script(c.text).Decode(t.Context(), in)
			if c.is == nil && (err != nil || p.Width != 3 || p.Height != 2) || !errors.Is(err, c.is) || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("%+v, %v", p, err)
			}
			if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v %v", left, err)
			}
		})
	}
	if exists(mark) {
		t.Error("a shell saw the words")
	}
	if out, err := exec.Command("pgrep", "-fx", "sleep 600.0371").Output(); err == nil {
		t.Errorf("what a slow program started goes on: %s", out)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := script(`sleep 601`).Decode(ctx, in); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestParseViewers: what is declared wrongly is refused, with what.
func TestParseViewers(t *testing.T) {
	const good = "[[viewer]]\nname = \"avif\"\nfiles = [\"*.avif\"]\ncommand = [\"avifdec\", \"{in}\", \"{out}\"]\n"
	if v, err := parseViewers([]byte(good)); err != nil || len(v) != 1 || !v[0].Match("a/B.AVIF", nil) || v[0].Match("a.avi", nil) {
		t.Fatalf("%v, %v", v, err)
	}
	for want, text := range map[string]string{
		"each name once":   good + good,
		"name":             strings.Replace(good, `"avif"`, `"a b"`, 1),
		"files is missing": strings.Replace(good, `"*.avif"`, ``, 1),
		"{in} and {out}":   strings.Replace(good, `"{out}"`, `"out.png"`, 1),
		"at most 600":      good + "seconds = 601\n",
		"pattern":          strings.Replace(good, `"*.avif"`, `"[.avif"`, 1),
		"unknown setting":  good + "shell = true\n",
		"expected":         "[[viewer",
	} {
		if _, err := parseViewers([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
