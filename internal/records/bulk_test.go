package records_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"varve/internal/records"
)

// bulk is n facts of feedback with ids from first.
func bulk(first, n int, said string) []records.Fact {
	out := make([]records.Fact, n)
	for i := range out {
		set := map[string]any{"build": fmt.Sprint("b", i%7), "severity": i % 5, "text": fmt.Sprint("the lamp ", said, " ", i)}
		if i%3 == 0 {
			set["resolved"], set["extra"] = i%2 == 0, []int{i}
		}
		out[i] = records.Fact{Kind: "feedback", ID: fmt.Sprint(first + i), Set: set}
		if i%5 == 0 {
			out[i].Add = map[string][]string{"tags": {"x", said}}
		}
	}
	return out
}

// TestIdsComeAgain: ids that came before, by this process or another, are found among many that are new, and the index
// is not made anew for it.
func TestIdsComeAgain(t *testing.T) {
	m := newMachine(t)
	a, b := m.open(t, feedback()), m.open(t, feedback())
	files := m.files(t)
	for i, r := range []*records.Records{a, a, b, a, b, b, a} {
		if err := r.Append(t.Context(), bulk(i*1500, 3000, fmt.Sprint("in turn ", i))...); err != nil {
			t.Fatal(err)
		}
		if n, err := r.Count(t.Context(), records.Query{Kind: "feedback"}); err != nil || n != 3000+i*1500 {
			t.Fatalf("turn %d: %d, %v", i, n, err)
		}
	}
	want := dump(t, memory(t, m.db(t), feedback()))
	for _, r := range []*records.Records{a, b} {
		if err := r.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := dump(t, r); got != want {
			t.Errorf("another index: %.600s", diff(got, want))
		}
	}
	if now := m.files(t); !slices.Equal(now, files) {
		t.Errorf("the index was made anew: %q, then %q", files, now)
	}
}

// TestIndexingIsCancelled: whenever it is given up, what is in the index is all of some segments or nothing.
func TestIndexingIsCancelled(t *testing.T) {
	m := newMachine(t)
	from := m.cache
	r := m.open(t, feedback())
	for i := range 4 {
		if err := r.Append(t.Context(), bulk(i*1000, 2000, fmt.Sprint("part ", i))...); err != nil {
			t.Fatal(err)
		}
	}
	want := dump(t, r)
	m.cache = t.TempDir()
	if m.cache == from {
		t.Fatal("the same cache")
	}
	x := m.open(t) // an index of kinds that nobody has declared
	files := m.files(t)
	for i := range 12 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i*i)*time.Millisecond)
		err := x.Declare(ctx, feedback())
		if err != nil && !errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			t.Error(err)
		}
		cancel()
		if got := dump(t, x); got != want {
			t.Fatalf("given up after %d ms: another index: %.600s", i*i, diff(got, want))
		}
	}
	if err := x.Declare(t.Context(), feedback()); err != nil {
		t.Fatal(err)
	}
	if got := dump(t, x); got != want {
		t.Errorf("another index: %.600s", diff(got, want))
	}
	if n, err := x.Count(t.Context(), records.Query{Kind: "feedback", Text: "lamp"}); err != nil || n != 5000 {
		t.Errorf("%d found, %v", n, err)
	}
	if now := m.files(t); !slices.Equal(now, files) {
		t.Errorf("the index was made anew: %q, then %q", files, now)
	}
}

// TestWhileItIsIndexed: what was appended is found while it is on its way into the index and the next is appended, and
// is there after the handle was closed.
func TestWhileItIsIndexed(t *testing.T) {
	m := newMachine(t)
	r := m.open(t, feedback())
	for i := range 4 {
		if err := r.Append(t.Context(), bulk(i*1000, 1000, "said")...); err != nil {
			t.Fatal(err)
		}
		if i%2 == 1 {
			continue
		}
		if n, err := r.Count(t.Context(), records.Query{Kind: "feedback", Text: "lamp"}); err != nil || n != (i+1)*1000 {
			t.Errorf("%d: %d found, %v", i, n, err)
		}
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if err := r.Append(t.Context(), bulk(0, 1, "late")...); err == nil {
		t.Error("appended after it was closed")
	}
	again := m.open(t, feedback())
	if got, want := dump(t, again), dump(t, memory(t, m.db(t), feedback())); got != want {
		t.Errorf("another index: %.600s", diff(got, want))
	}
}
