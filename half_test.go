package varve_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"varve"
	"varve/format"
	"varve/internal/fixture"
)

// ended is a kind of file that is whole when it ends with END.
type ended struct{}

func (ended) Name() string                        { return "ended" }
func (ended) Match(name string, head []byte) bool { return strings.HasSuffix(name, ".end") }

func (ended) Validate(_ context.Context, in format.Input) error {
	b, err := io.ReadAll(io.NewSectionReader(in, 0, in.Size()))
	if err == nil && !bytes.HasSuffix(b, []byte("END")) {
		err = format.Malformed("no END")
	}
	return err
}

// TestHalfSaved: a file that its format finds half saved is read again while it is young; then it is kept as it is, with
// a mark, and the last snapshot that has it whole is held. What is old and was never kept before is not looked at.
func TestHalfSaved(t *testing.T) {
	for _, large := range []bool{false, true} {
		r := newRig(1)
		d := r.folder("project")
		body := "some picture "
		if large {
			body = strings.Repeat("some picture ", 400_000)
		}
		put := func(name, content string, age time.Duration) {
			t.Helper()
			f := fixture.NewWriter(d, time.Unix(0, r.now.Load()).Add(-age))
			f.Put(name, 0o644, []byte(content))
			if f.Err() != nil {
				t.Fatal(f.Err())
			}
		}
		sleeps := 0
		asleep := func() {}
		snap := func() (*varve.Snapshot, *varve.Project) {
			t.Helper()
			opt := r.options()
			opt.Formats = format.Set{ended{}}
			opt.Sleep = func(ctx context.Context, _ time.Duration) error { sleeps++; asleep(); return ctx.Err() }
			s, err := r.openWith(t.Context(), hooks{}, opt)
			if err != nil {
				t.Fatal(err)
			}
			out, err := s.p.Snap(t.Context(), plainSnap())
			if err != nil {
				t.Fatal(err)
			}
			return out, s.p
		}
		suspect := func(p *varve.Project, s *varve.Snapshot, name string) bool {
			t.Helper()
			e, err := p.Stat(t.Context(), s, name)
			if err != nil {
				t.Fatal(err)
			}
			return slices.Contains(e.Flags, "suspect")
		}
		put("a.end", body+"END", time.Hour)
		put("old.end", body, 2*time.Minute)
		put("new.end", body, 30*time.Second)
		first, p := snap()
		if suspect(p, first, "a.end") || suspect(p, first, "old.end") || !suspect(p, first, "new.end") || sleeps > 0 {
			t.Errorf("first: %v %v %v, %d pauses", suspect(p, first, "a.end"), suspect(p, first, "old.end"), suspect(p, first, "new.end"), sleeps)
		}
		// Its application is at it, and ends soon.
		put("a.end", body+"more", time.Second)
		asleep = func() { put("a.end", body+"moreEND", 0) }
		second, p := snap()
		if suspect(p, second, "a.end") || sleeps == 0 {
			t.Errorf("a file that was ended meanwhile is suspect after %d pauses", sleeps)
		}
		// Its application died.
		put("a.end", body+"evenmore", time.Minute)
		asleep, sleeps = func() {}, 0
		third, p := snap()
		if !suspect(p, third, "a.end") || sleeps > 0 {
			t.Errorf("a file that stays cut off: suspect %v after %d pauses", suspect(p, third, "a.end"), sleeps)
		}
		var b bytes.Buffer
		if err := p.Cat(t.Context(), third, "a.end", &b); err != nil || b.String() != body+"evenmore" {
			t.Errorf("it is not kept as it is: %d bytes, %v", b.Len(), err)
		}
		if reason, held := p.Held(second); !held || !strings.Contains(reason, "a.end") {
			t.Errorf("the last good version is not held: %q", reason)
		}
		if _, held := p.Held(third); held {
			t.Error("the suspect one is held")
		}
		// It is looked at again, though nothing changed, and only the first good one is held.
		fourth, p := snap()
		if _, held := p.Held(third); held || !suspect(p, fourth, "a.end") {
			t.Errorf("again: held %v, suspect %v", held, suspect(p, fourth, "a.end"))
		}
	}
}

// TestHalfSavedPatience: a project that is full of damaged files is not waited for file by file.
func TestHalfSavedPatience(t *testing.T) {
	r := newRig(1)
	f := fixture.NewWriter(r.folder("project"), time.Unix(0, r.now.Load()))
	for n := range 50 {
		f.Put(fmt.Sprint(n, ".end"), 0o644, []byte("cut"))
	}
	slept := time.Duration(0)
	opt := r.options()
	opt.Formats = format.Set{ended{}}
	opt.Sleep = func(ctx context.Context, d time.Duration) error { slept += d; return ctx.Err() }
	s, err := r.openWith(t.Context(), hooks{}, opt)
	if err = errors.Join(err, f.Err()); err != nil {
		t.Fatal(err)
	}
	snap, err := s.p.Snap(t.Context(), plainSnap())
	if err != nil || snap.Tree.Doubtful != 50 {
		t.Fatalf("%+v, %v", snap, err)
	}
	if slept == 0 || slept > 5*time.Second {
		t.Errorf("it was waited %v", slept)
	}
}

// TestFormatThatFails: a format that panics over a file costs its advice, and nothing else.
func TestFormatThatFails(t *testing.T) {
	r := newRig(1)
	f := fixture.NewWriter(r.folder("project"), time.Unix(0, r.now.Load()).Add(-time.Hour))
	f.Put("a.end", 0o644, []byte("x"))
	opt := r.options()
	opt.Formats = format.Set{panics{}}
	s, err := r.openWith(t.Context(), hooks{}, opt)
	if err = errors.Join(err, f.Err()); err != nil {
		t.Fatal(err)
	}
	snap, err := s.p.Snap(t.Context(), plainSnap())
	if err != nil || len(snap.Errors) > 0 {
		t.Fatal(err, snap)
	}
	if e, err := s.p.Stat(t.Context(), snap, "a.end"); err != nil || len(e.Flags) > 0 || e.Bytes != 1 {
		t.Error(e, err)
	}
}

type panics struct{ ended }

func (panics) Validate(context.Context, format.Input) error { panic("no") }
