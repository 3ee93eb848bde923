package storetest

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"varve/store"
)

func listOrder(t *testing.T, s store.Store, _ Options) {
	if got := names(t, s, ""); len(got) != 0 {
		t.Fatalf("a new store lists %q", got)
	}
	// '-' and '.' sort before '/', digits and letters after it.
	all := []string{"a/b/c", "a/b-c", "a/b.c", "a/b0", "a-b", "a.b", "a/a", "a0", "aa", "b", "a_", "a/b_", "a/bb/c", "0", "z/0/0", "z/0/1", "z/00"}
	for i, name := range all {
		put(t, s, name, content(0, i))
	}
	want := slices.Sorted(slices.Values(all))
	if got := names(t, s, ""); !slices.Equal(got, want) {
		t.Fatalf("listed %q\nwant %q", got, want)
	}
	for o, err := range s.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		if want := int64(slices.Index(all, o.Name)); o.Size != want {
			t.Fatalf("%s is listed with %d bytes, want %d", o.Name, o.Size, want)
		}
	}
}

func listPrefix(t *testing.T, s store.Store, _ Options) {
	all := []string{"p/a/1", "p/a/2", "p/ab/3", "p/b", "pa/4", "q", "p-"}
	for _, name := range all {
		put(t, s, name, nil)
	}
	for prefix, want := range map[string][]string{
		"p/":     {"p/a/1", "p/a/2", "p/ab/3", "p/b"},
		"p/a/":   {"p/a/1", "p/a/2"},
		"p/b/":   nil, // an object
		"p/c/":   nil,
		"c/d/e/": nil,
		"q/r/":   nil,
		"pa/":    {"pa/4"},
	} {
		if got := names(t, s, prefix); !slices.Equal(got, want) {
			t.Fatalf("below %q: listed %q, want %q", prefix, got, want)
		}
	}
}

func listStops(t *testing.T, s store.Store, _ Options) {
	for i := range 20 {
		put(t, s, fmt.Sprintf("d%d/x", i), nil)
	}
	list := s.List(t.Context(), "")
	for round := range 2 { // an iterator may be ranged over again
		seen := 0
		for _, err := range list {
			if err != nil {
				t.Fatal(err)
			}
			if seen++; seen == 3 {
				break
			}
		}
		if seen != 3 {
			t.Fatalf("round %d: %d objects before the break", round, seen)
		}
	}
}

// listDuringChange: what is there from before a listing until after it must be listed, once, whatever else happens.
func listDuringChange(t *testing.T, s store.Store, _ Options) {
	var want []string
	for i := range 64 {
		name := fmt.Sprintf("d/%x/keep-%02d", i%8, i)
		put(t, s, name, nil)
		put(t, s, fmt.Sprintf("d/%x/drop-%02d", i%8, i), nil)
		want = append(want, name)
	}
	slices.Sort(want)
	var got []string
	last := ""
	i := 0
	for o, err := range s.List(t.Context(), "d/") {
		if err != nil {
			t.Fatal(err)
		}
		if o.Name <= last {
			t.Fatalf("%s listed after %s", o.Name, last)
		}
		last = o.Name
		if strings.Contains(o.Name, "keep") {
			got = append(got, o.Name)
		}
		if i < 64 {
			put(t, s, fmt.Sprintf("d/%x/new-%02d", i%8, i), nil)
			if err := s.Delete(t.Context(), fmt.Sprintf("d/%x/drop-%02d", i%8, i)); err != nil {
				t.Fatal(err)
			}
			i++
		}
	}
	if !slices.Equal(got, want) {
		t.Fatalf("listed %q\nwant %q", got, want)
	}
}

// BadNames are names that every store refuses.
func BadNames() []string {
	return []string{
		"", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/..", "a/../b", "a/./b", "./a", "A", "a/B", "a b", "a\\b",
		"a\x00", "a\x00/b", "a:b", "a*", "é", "a\n", "\xff", "a.", "a./b", ".a", "a/.b", "...", "tmp-1", "a/tmp-0", "con", "a/nul",
		"aux.txt", "com1", "lpt9.x/a", "c:", "c:/a", "~", "%2e%2e/a", "a+b", strings.Repeat("a", store.MaxName+1),
		strings.Repeat("a/", store.MaxName) + "a",
	}
}

func namesRefused(t *testing.T, s store.Store, _ Options) {
	ctx := t.Context()
	for _, name := range BadNames() {
		_, get := s.Get(ctx, name, 0, -1, nil)
		for _, err := range []error{s.Put(ctx, name, []byte("x")), get, s.Delete(ctx, name)} {
			if !errors.Is(err, store.ErrName) {
				t.Fatalf("name %q: error %v, want ErrName", name, err)
			}
		}
		if st, ok := s.(store.Stater); ok {
			_, err := st.Stat(ctx, name)
			wantError(t, err, store.ErrName)
		}
		if r, ok := s.(store.Ranger); ok {
			_, err := r.Open(ctx, name)
			wantError(t, err, store.ErrName)
		}
	}
	if got := names(t, s, ""); len(got) != 0 {
		t.Fatalf("refused names left %q", got)
	}
}

func prefixesRefused(t *testing.T, s store.Store, _ Options) {
	for _, prefix := range []string{"a", "/", "../", "a//", "A/", "./", "a/../", "\x00/", "tmp-/"} {
		var last error
		for o, err := range s.List(t.Context(), prefix) {
			if err == nil {
				t.Fatalf("prefix %q: listed %+v", prefix, o)
			}
			last = err
		}
		wantError(t, last, store.ErrName)
	}
}

func namesAccepted(t *testing.T, s store.Store, _ Options) {
	long := strings.Repeat("a", store.MaxName-2)
	deep := strings.Repeat("d/", (store.MaxName-1)/2) + "e"
	all := []string{"0", "a.b", "a..b", "a_-b", "-", "_", "com0x", "con-x", "nula", "tmp", "x/tmp.1", "y/" + long, deep}
	for _, name := range all {
		put(t, s, name, []byte(name))
	}
	for _, name := range all {
		wantContent(t, s, name, []byte(name))
	}
	if got, want := names(t, s, ""), slices.Sorted(slices.Values(all)); !slices.Equal(got, want) {
		t.Fatalf("listed %q\nwant %q", got, want)
	}
}

func nameAboveName(t *testing.T, s store.Store, o Options) {
	put(t, s, "a/b", []byte("below"))
	put(t, s, "c", []byte("above"))
	want := []string{"a/b", "c"}
	for _, name := range []string{"a", "c/d", "c/d/e"} {
		err := s.Put(t.Context(), name, []byte("late"))
		if o.Flat {
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, name)
			continue
		}
		wantError(t, err, store.ErrName)
		_, err = s.Get(t.Context(), name, 0, -1, nil)
		wantError(t, err, fs.ErrNotExist)
		if err := s.Delete(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(want)
	wantContent(t, s, "a/b", []byte("below"))
	wantContent(t, s, "c", []byte("above"))
	if got := names(t, s, ""); !slices.Equal(got, want) {
		t.Fatalf("listed %q, want %q", got, want)
	}
}
