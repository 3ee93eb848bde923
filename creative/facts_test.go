package creative

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"varve/format"
)

// filled is a value of which every field has something.
func filled(v reflect.Value, n *int) {
	*n++
	switch v.Kind() {
	case reflect.String:
		v.SetString(fmt.Sprint("s", *n%7))
	case reflect.Bool:
		v.SetBool(*n%2 == 0)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), *n%4, *n%4))
		for i := range v.Len() {
			filled(v.Index(i), n)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			filled(v.Field(i), n)
		}
	default:
		v.SetInt(int64(*n) << (*n % 40))
	}
}

// TestFacts: facts are read as they were written, every field of them; damaged ones are none.
func TestFacts(t *testing.T) {
	by := map[string]*fact{}
	n := 0
	for i := range 50 {
		f := &fact{}
		if i > 0 {
			filled(reflect.ValueOf(f).Elem(), &n)
		}
		if len(f.References) == 0 {
			f.References = nil
		}
		if len(f.Names) == 0 {
			f.Names = nil
		}
		by[fmt.Sprint("content", i)] = f
	}
	by["negative"] = &fact{References: []format.Reference{{Off: -5, Len: 1 << 60}}}
	b := writeFacts(by)
	if got := readFacts(b); !reflect.DeepEqual(got, by) {
		t.Errorf("got %v, want %v", got, by)
	}
	random := rand.New(rand.NewPCG(1, 3))
	for range 5000 {
		c := append([]byte{}, b[:len(b)-random.IntN(2)*random.IntN(len(b))]...)
		for range random.IntN(4) {
			c[random.IntN(len(c))] ^= 1 << random.IntN(8)
		}
		readFacts(c) // it does not panic, and does not ask for what is not there
	}
	for i := range b {
		if readFacts(b[:i]) != nil {
			t.Fatalf("%d of %d bytes are facts", i, len(b))
		}
	}
}

// BenchmarkQuery asks a graph of 100,000 files and a million references.
func BenchmarkQuery(b *testing.B) {
	const files, edges = 100_000, 1_000_000
	random := rand.New(rand.NewPCG(1, 1))
	g := &Graph{Nodes: make([]Node, files)}
	for i := range edges {
		g.Edges = append(g.Edges, Edge{From: i / (edges / files * 5) * 5, To: random.IntN(files)})
	}
	g.index()
	b.Run("needs", func(b *testing.B) {
		for b.Loop() {
			if len(g.Needs(0)) < 1000 {
				b.Fatal("it needs too little")
			}
		}
	})
	b.Run("uses", func(b *testing.B) {
		for b.Loop() {
			if len(g.Uses(7)) < 10 {
				b.Fatal("too few use it")
			}
		}
	})
	b.Run("missing", func(b *testing.B) {
		for b.Loop() {
			g.Missing()
		}
	})
	b.Run("cycles", func(b *testing.B) {
		for b.Loop() {
			g.Cycles()
		}
	})
}
