package format

import (
	"bytes"
	"context"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// says is a format that matches names ending in its own and says what it is told to.
type says struct {
	name    string
	regions []Region
	err     error
	panics  bool
	seen    *[]byte // the head it was shown
}

func (s says) Name() string { return s.name }

func (s says) Match(name string, head []byte) bool {
	if s.seen != nil {
		*s.seen = bytes.Clone(head)
	}
	return name == s.name
}

func (s says) Regions(Input) ([]Region, error) {
	if s.panics {
		panic("no")
	}
	return s.regions, s.err
}

func TestSetTakesOnlySoundAdvice(t *testing.T) {
	const size = 1000
	for _, v := range []struct {
		name    string
		f       says
		want    []Region
		nothing bool
	}{
		{"sorted", says{regions: []Region{{Off: 500, Len: 500, Width: 4}, {Off: 0, Len: 10, Width: 1}, {Off: 10, Len: 20, Width: 2}, {Off: 30, Len: 8, Width: 8}}}, []Region{{Off: 0, Len: 10, Width: 1}, {Off: 10, Len: 20, Width: 2}, {Off: 30, Len: 8, Width: 8}, {Off: 500, Len: 500, Width: 4}}, false},
		{"nothing", says{}, nil, true},
		{"error", says{regions: []Region{{Off: 0, Len: 10, Width: 2}}, err: errors.New("x")}, nil, true},
		{"panic", says{panics: true}, nil, true},
		{"overlap", says{regions: []Region{{Off: 0, Len: 10, Width: 2}, {Off: 9, Len: 3, Width: 2}}}, nil, true},
		{"empty region", says{regions: []Region{{Off: 5, Len: 0, Width: 2}}}, nil, true},
		{"width", says{regions: []Region{{Off: 0, Len: 10, Width: 3}}}, nil, true},
		{"no width", says{regions: []Region{{Off: 0, Len: 10, Width: 0}}}, nil, true},
		{"negative", says{regions: []Region{{Off: -1, Len: 10, Width: 2}}}, nil, true},
		{"negative length", says{regions: []Region{{Off: 10, Len: -10, Width: 2}}}, nil, true},
		{"outside", says{regions: []Region{{Off: 991, Len: 10, Width: 2}}}, nil, true},
		{"overflow", says{regions: []Region{{Off: 991, Len: math.MaxInt64, Width: 2}}}, nil, true},
		{"far", says{regions: []Region{{Off: math.MaxInt64, Len: 1, Width: 2}}}, nil, true},
		{"too many", says{regions: make([]Region, MaxRegions+1)}, nil, true},
	} {
		v.f.name = "this"
		got := Set{says{name: "other", panics: true}, v.f, says{name: "this", regions: []Region{{Off: 0, Len: 1, Width: 1}}}}.Regions("this", bytes.NewReader(make([]byte, size)), size)
		if !slices.Equal(got, v.want) || v.nothing && got != nil {
			t.Errorf("%s: %v, want %v", v.name, got, v.want)
		}
	}
}

func TestSetShowsTheHead(t *testing.T) {
	content := bytes.Repeat([]byte("layers "), HeadSize)
	for _, size := range []int{1, HeadSize, len(content)} {
		var seen []byte
		Set{says{name: "x", seen: &seen}}.Regions("y", bytes.NewReader(content[:size]), int64(size))
		if !bytes.Equal(seen, content[:min(size, HeadSize)]) {
			t.Errorf("of %d bytes the format saw %d", size, len(seen))
		}
	}
	// A file that is shorter than it was is no error, and no advice.
	if got := (Set{says{name: "x", regions: []Region{{Off: 0, Len: 1, Width: 1}}}}).Regions("x", bytes.NewReader(content[:10]), 20); got != nil {
		t.Errorf("of a file that shrank: %v", got)
	}
	if got := (Set{}).Regions("x", nil, 10); got != nil {
		t.Errorf("of no formats: %v", got)
	}
}

// listed is a format of files with these elements.
type listed struct {
	says
	list []Element
}

func (l listed) Elements(context.Context, Input) ([]Element, error) { return l.list, nil }

// TestNamesAreBounded: one long id that is the parent of many is as long as all of them together.
func TestNamesAreBounded(t *testing.T) {
	long := strings.Repeat("x", 100_000)
	l := listed{list: []Element{{ID: long}}}
	for i := range 1000 {
		l.list = append(l.list, Element{ID: strconv.Itoa(i), Parent: long})
	}
	if _, err := Elements(t.Context(), l, Bytes(nil)); err != nil {
		t.Errorf("100 MB of names: %v", err)
	}
	for i := range 2000 {
		l.list = append(l.list, Element{ID: strconv.Itoa(1000 + i), Parent: long})
	}
	if _, err := Elements(t.Context(), l, Bytes(nil)); !errors.Is(err, ErrLimit) {
		t.Errorf("300 MB of names: %v", err)
	}
}
