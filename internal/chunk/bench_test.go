package chunk

import (
	"testing"
)

func BenchmarkFirst(b *testing.B) {
	t := NewTable([32]byte{1})
	for _, class := range []Class{Small, Medium, Large} {
		data := random(1, 4<<20)
		b.Run(class.String(), func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				for rest := data; len(rest) > 0; {
					rest = rest[t.First(class, rest):]
				}
			}
		})
	}
}

func BenchmarkFeed(b *testing.B) {
	t := NewTable([32]byte{1})
	for _, in := range []struct {
		name string
		data []byte
	}{
		{"random", random(1, 32<<20)},
		{"text", text(1, 32<<20)},
		{"zeros", make([]byte, 32<<20)},
		{"mixed", mixed(1, 32<<20)},
	} {
		b.Run(in.name, func(b *testing.B) {
			c := t.Cutter(Medium, nil)
			var dst []Piece
			b.SetBytes(int64(len(in.data)))
			b.ReportAllocs()
			for b.Loop() {
				c.Reset(Medium, nil)
				dst, _ = c.Feed(dst[:0], in.data, true)
			}
		})
	}
}
