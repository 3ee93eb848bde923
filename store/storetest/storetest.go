// Package storetest says in tests what a store.Store must do, and offers [Sim], a store that lies on
// request. Every implementation passes [Run].
package storetest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"varve/store"
)

// Options fits the suite to a store.
type Options struct {
	// Large is the size of the big object in bytes; 0: 20 MiB.
	Large int
	// Flat: the store permits an object "a" beside "a/b".
	Flat bool
}

// Run is the conformance suite. open returns a new, empty store; it is called for each subtest.
func Run(t *testing.T, open func(t *testing.T) store.Store, o Options) {
	if o.Large == 0 {
		o.Large = 20 << 20
	}
	tests := []struct {
		name string
		run  func(t *testing.T, s store.Store, o Options)
	}{
		{"PutThenGet", putThenGet},
		{"GetAppends", getAppends},
		{"GetRanges", getRanges},
		{"GetBeyondEnd", getBeyondEnd},
		{"GetAbsent", getAbsent},
		{"ZeroBytes", zeroBytes},
		{"ManyParts", manyParts},
		{"PartsAreNotKept", partsAreNotKept},
		{"Large", large},
		{"NeverReplaces", neverReplaces},
		{"RaceHasOneWinner", raceHasOneWinner},
		{"ListOrder", listOrder},
		{"ListPrefix", listPrefix},
		{"ListStops", listStops},
		{"ListDuringChange", listDuringChange},
		{"NamesRefused", namesRefused},
		{"PrefixesRefused", prefixesRefused},
		{"NamesAccepted", namesAccepted},
		{"NameAboveName", nameAboveName},
		{"DeleteTwice", deleteTwice},
		{"DeleteIsNotPrefix", deleteIsNotPrefix},
		{"PutAfterDelete", putAfterDelete},
		{"ContextDone", contextDone},
		{"StatAndOpen", statAndOpen},
		{"ReaderEdges", readerEdges},
		{"ConcurrentMixed", concurrentMixed},
		{"BarrierRepeats", barrierRepeats},
		{"Probe", probed},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t), o) })
	}
}

// content returns n bytes that depend on seed.
func content(seed uint64, n int) []byte {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	b := make([]byte, n)
	rand.NewChaCha8(key).Read(b)
	return b
}

func put(t *testing.T, s store.Store, name string, parts ...[]byte) {
	t.Helper()
	if err := s.Put(t.Context(), name, parts...); err != nil {
		t.Fatal(err)
	}
}

func wantContent(t *testing.T, s store.Store, name string, want []byte) {
	t.Helper()
	got, err := s.Get(t.Context(), name, 0, -1, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("%s holds %d bytes that differ from the %d put", name, len(got), len(want))
	}
}

func wantError(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got error %v, want %v", err, want)
	}
}

// names lists below prefix.
func names(t *testing.T, s store.Store, prefix string) []string {
	t.Helper()
	var got []string
	for o, err := range s.List(t.Context(), prefix) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, o.Name)
	}
	return got
}

func putThenGet(t *testing.T, s store.Store, _ Options) {
	for i, name := range []string{"config", "packs/3f/9a51", "snap/s-1", "a/b/c/d/e/f"} {
		b := content(uint64(i), 1000+i)
		put(t, s, name, b)
		wantContent(t, s, name, b)
	}
}

func getAppends(t *testing.T, s store.Store, _ Options) {
	put(t, s, "x/y", []byte("world"))
	got, err := s.Get(t.Context(), "x/y", 0, -1, []byte("hello "))
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != "hello world" {
		t.Fatalf("got %q", got)
	}
	// Room behind the result is the caller's: only the bytes asked for may change.
	room := []byte("ab........")
	if got, err = s.Get(t.Context(), "x/y", 1, 3, room[:2]); err != nil {
		t.Fatal(err)
	}
	if string(got) != "aborl" || string(room[5:]) != "....." {
		t.Fatalf("got %q, room %q", got, room)
	}
}

func getRanges(t *testing.T, s store.Store, _ Options) {
	b := content(7, 300_000)
	put(t, s, "r", b)
	r := rand.New(rand.NewPCG(1, 2))
	spans := [][2]int{{0, 0}, {0, 1}, {299_999, 1}, {300_000, 0}, {0, 300_000}, {300_000, -1}, {299_990, -1}, {4096, 4096}}
	for range 50 {
		off := r.IntN(len(b))
		spans = append(spans, [2]int{off, r.IntN(len(b) - off + 1)})
	}
	for _, span := range spans {
		off, n := span[0], span[1]
		want := b[off:]
		if n >= 0 {
			want = want[:n]
		}
		got, err := s.Get(t.Context(), "r", int64(off), int64(n), nil)
		if err != nil {
			t.Fatalf("%d bytes from %d: %v", n, off, err)
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("%d bytes from %d: other bytes than were put", n, off)
		}
	}
}

func getBeyondEnd(t *testing.T, s store.Store, _ Options) {
	put(t, s, "e", []byte("12345"))
	const huge = 1 << 62 // must be refused before it is allocated
	for _, span := range [][2]int64{{0, 6}, {5, 1}, {6, 0}, {6, -1}, {6, 1}, {0, huge}, {huge, huge}, {huge, -1}} {
		got, err := s.Get(t.Context(), "e", span[0], span[1], []byte("kept"))
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("%d bytes from %d: error %v, want unexpected EOF", span[1], span[0], err)
		}
		if string(got) != "kept" {
			t.Fatalf("%d bytes from %d: the error came with %q", span[1], span[0], got)
		}
	}
	if _, err := s.Get(t.Context(), "e", -1, 1, nil); err == nil {
		t.Fatal("a negative offset was accepted")
	}
}

func getAbsent(t *testing.T, s store.Store, _ Options) {
	put(t, s, "d/there", []byte("x"))
	for _, name := range []string{"d/absent", "absent", "absent/x", "d", "d/there/below"} {
		got, err := s.Get(t.Context(), name, 0, -1, []byte("kept"))
		wantError(t, err, fs.ErrNotExist)
		if string(got) != "kept" {
			t.Fatalf("%s: the error came with %q", name, got)
		}
	}
}

func zeroBytes(t *testing.T, s store.Store, _ Options) {
	put(t, s, "none")
	put(t, s, "empty", nil, []byte{})
	for _, name := range []string{"none", "empty"} {
		wantContent(t, s, name, nil)
		wantError(t, s.Put(t.Context(), name, []byte("x")), fs.ErrExist)
	}
	if got := names(t, s, ""); !slices.Equal(got, []string{"empty", "none"}) {
		t.Fatalf("listed %q", got)
	}
}

func manyParts(t *testing.T, s store.Store, _ Options) {
	var parts [][]byte
	for i := range 2000 {
		parts = append(parts, content(uint64(i), i%17*i%911))
	}
	put(t, s, "parts", parts...)
	wantContent(t, s, "parts", bytes.Join(parts, nil))
}

func partsAreNotKept(t *testing.T, s store.Store, _ Options) {
	b := []byte("before")
	put(t, s, "x", b)
	copy(b, "after!")
	wantContent(t, s, "x", []byte("before"))
	got, err := s.Get(t.Context(), "x", 0, -1, nil)
	if err != nil {
		t.Fatal(err)
	}
	copy(got, "after!")
	wantContent(t, s, "x", []byte("before"))
}

func large(t *testing.T, s store.Store, o Options) {
	b := content(3, o.Large+1) // no multiple of any block
	put(t, s, "packs/aa/one", b)
	wantContent(t, s, "packs/aa/one", b)
	put(t, s, "packs/aa/three", b[:100], b[100:4096], b[4096:])
	wantContent(t, s, "packs/aa/three", b)
	for o, err := range s.List(t.Context(), "packs/") {
		if err != nil || o.Size != int64(len(b)) {
			t.Fatalf("listed %+v, %v", o, err)
		}
	}
}

func neverReplaces(t *testing.T, s store.Store, _ Options) {
	put(t, s, "snap/1", []byte("first"))
	for _, second := range []string{"second", "first", ""} {
		wantError(t, s.Put(t.Context(), "snap/1", []byte(second)), fs.ErrExist)
	}
	wantContent(t, s, "snap/1", []byte("first"))
}

func raceHasOneWinner(t *testing.T, s store.Store, _ Options) {
	const racers, rounds = 16, 8
	for round := range rounds {
		name := fmt.Sprintf("snap/%d", round)
		var results [racers]error
		var all sync.WaitGroup
		start := make(chan struct{})
		for i := range racers {
			all.Go(func() {
				<-start
				results[i] = s.Put(t.Context(), name, content(uint64(i), 5000))
			})
		}
		close(start)
		all.Wait()
		winner, winners := 0, 0
		for i, err := range results {
			if err == nil {
				winner, winners = i, winners+1
			} else {
				wantError(t, err, fs.ErrExist)
			}
		}
		if winners != 1 {
			t.Fatalf("%d of %d racers won", winners, racers)
		}
		wantContent(t, s, name, content(uint64(winner), 5000))
	}
}

func deleteTwice(t *testing.T, s store.Store, _ Options) {
	put(t, s, "p/x", []byte("x"))
	put(t, s, "p/y", []byte("y"))
	for _, name := range []string{"p/x", "p/x", "p/never", "never/never", "never"} {
		if err := s.Delete(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	_, err := s.Get(t.Context(), "p/x", 0, -1, nil)
	wantError(t, err, fs.ErrNotExist)
	if got := names(t, s, ""); !slices.Equal(got, []string{"p/y"}) {
		t.Fatalf("listed %q", got)
	}
}

func deleteIsNotPrefix(t *testing.T, s store.Store, _ Options) {
	put(t, s, "a/b/c", []byte("x"))
	for _, name := range []string{"a", "a/b"} {
		if err := s.Delete(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	wantContent(t, s, "a/b/c", []byte("x"))
}

func putAfterDelete(t *testing.T, s store.Store, _ Options) {
	for i := range 3 {
		b := []byte{byte(i)}
		put(t, s, "p/x", b)
		wantContent(t, s, "p/x", b)
		if err := s.Delete(t.Context(), "p/x"); err != nil {
			t.Fatal(err)
		}
	}
}

func contextDone(t *testing.T, s store.Store, _ Options) {
	put(t, s, "there", []byte("x"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	wantError(t, s.Put(ctx, "x", content(1, 10<<20)), context.Canceled)
	_, err := s.Get(ctx, "there", 0, -1, nil)
	wantError(t, err, context.Canceled)
	wantError(t, s.Delete(ctx, "there"), context.Canceled)
	wantError(t, s.Barrier(ctx), context.Canceled)
	var last error
	for _, err := range s.List(ctx, "") {
		last = err
	}
	wantError(t, last, context.Canceled)
	wantContent(t, s, "there", []byte("x"))
	if got := names(t, s, ""); !slices.Equal(got, []string{"there"}) {
		t.Fatalf("listed %q", got)
	}
	if err := s.Barrier(t.Context()); err != nil {
		t.Fatal(err) // a cancelled Barrier is no failed one
	}
}

func statAndOpen(t *testing.T, s store.Store, _ Options) {
	b := content(1, 10_000)
	put(t, s, "a/x", b)
	put(t, s, "a/y", nil)
	o, err := store.Stat(t.Context(), s, "a/x")
	if err != nil {
		t.Fatal(err)
	}
	if o.Name != "a/x" || o.Size != int64(len(b)) {
		t.Fatalf("stat: %+v", o)
	}
	for _, name := range []string{"a", "a/w", "a/z", "b", "b/c"} {
		_, err := store.Stat(t.Context(), s, name)
		wantError(t, err, fs.ErrNotExist)
		_, err = store.Open(t.Context(), s, name)
		wantError(t, err, fs.ErrNotExist)
	}
	r, err := store.Open(t.Context(), s, "a/x")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if r.Size() != int64(len(b)) {
		t.Fatalf("size %d", r.Size())
	}
	got, err := io.ReadAll(io.NewSectionReader(r, 17, 5000))
	if err != nil || !bytes.Equal(got, b[17:5017]) {
		t.Fatalf("section: %d bytes, %v", len(got), err)
	}
}

func readerEdges(t *testing.T, s store.Store, _ Options) {
	put(t, s, "x", []byte("12345"))
	r, err := store.Open(t.Context(), s, "x")
	if err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 4)
	if n, err := r.ReadAt(p, 3); n != 2 || !errors.Is(err, io.EOF) || string(p[:2]) != "45" {
		t.Fatalf("across the end: %d, %v, %q", n, err, p)
	}
	if n, err := r.ReadAt(p, 5); n != 0 || !errors.Is(err, io.EOF) {
		t.Fatalf("at the end: %d, %v", n, err)
	}
	if n, err := r.ReadAt(p, 1<<40); n != 0 || !errors.Is(err, io.EOF) {
		t.Fatalf("beyond the end: %d, %v", n, err)
	}
	if _, err := r.ReadAt(p, -1); err == nil || errors.Is(err, io.EOF) {
		t.Fatalf("before the start: %v", err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
}

// concurrentMixed: each worker's own objects behave as if it were alone.
func concurrentMixed(t *testing.T, s store.Store, _ Options) {
	const workers, steps = 8, 60
	failures := make(chan error, workers)
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() { failures <- mix(t.Context(), s, w, steps) })
	}
	all.Wait()
	close(failures)
	for err := range failures {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// mix does steps random operations on objects of worker w and checks them against a map.
func mix(ctx context.Context, s store.Store, w, steps int) error {
	r := rand.New(rand.NewPCG(uint64(w), 5))
	model := map[string][]byte{}
	suffix := fmt.Sprintf("/w%d", w)
	for step := range steps {
		name := fmt.Sprintf("m/%x/%d%s", r.IntN(4), r.IntN(6), suffix)
		want, there := model[name]
		switch r.IntN(6) {
		case 0, 1:
			b := content(uint64(step), r.IntN(3000))
			err := s.Put(ctx, name, b[:len(b)/2], b[len(b)/2:])
			if there != errors.Is(err, fs.ErrExist) || !there && err != nil {
				return fmt.Errorf("put with there=%v: %w", there, err)
			}
			if !there {
				model[name] = b
			}
		case 2, 3:
			got, err := s.Get(ctx, name, 0, -1, nil)
			if there == errors.Is(err, fs.ErrNotExist) || there && !bytes.Equal(got, want) {
				return fmt.Errorf("get with there=%v: %d bytes, %w", there, len(got), err)
			}
		case 4:
			if err := s.Delete(ctx, name); err != nil {
				return err
			}
			delete(model, name)
		case 5:
			if err := s.Barrier(ctx); err != nil {
				return err
			}
			if err := listsModel(ctx, s, suffix, model); err != nil {
				return err
			}
		}
	}
	return nil
}

func listsModel(ctx context.Context, s store.Store, suffix string, model map[string][]byte) error {
	listed := 0
	for o, err := range s.List(ctx, "m/") {
		if err != nil {
			return err
		}
		if !strings.HasSuffix(o.Name, suffix) {
			continue
		}
		listed++
		if b, there := model[o.Name]; !there || o.Size != int64(len(b)) {
			return fmt.Errorf("listed %+v, there=%v of %d bytes", o, there, len(b))
		}
	}
	if listed != len(model) {
		return fmt.Errorf("listed %d of %d objects", listed, len(model))
	}
	return nil
}

func barrierRepeats(t *testing.T, s store.Store, _ Options) {
	for i := range 3 {
		if err := s.Barrier(t.Context()); err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprintf("b/%d/x", i)
		put(t, s, name, []byte("x"))
		if err := s.Barrier(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantContent(t, s, name, []byte("x"))
	}
}

func probed(t *testing.T, s store.Store, _ Options) {
	put(t, s, "mine", []byte("x"))
	traits, err := store.Probe(t.Context(), s, bytes.NewReader(content(1, 1024)))
	if err != nil {
		t.Fatal(err)
	}
	if !traits.CreateIfAbsent || !traits.ListsAtOnce || !traits.Deletes {
		t.Fatalf("a store that passes this suite was probed as %+v", traits)
	}
	if got := names(t, s, ""); !slices.Equal(got, []string{"mine"}) {
		t.Fatalf("the probe left %q", got)
	}
}
