package psd

import (
	"context"
	"encoding/binary"
)

// pictures makes the merged image of a draft true, or has the document say that it is not. It returns what is stale.
func (g *stacking) pictures(_ context.Context, w *draft) ([]string, error) {
	stale := []string{"composite"}
	found := false
	for i, r := range g.into.resources {
		switch r.id {
		case 1033, 1036:
			w.resource[i] = nil
		case 1057:
			b, err := g.into.load(r.data, 1<<16)
			if err != nil {
				return nil, err
			}
			if len(b) > 4 {
				b[4] = 0
				w.replaceResource(i, b)
				found = true
			}
		}
	}
	if !found {
		b := append([]byte("8BIM\x04\x21\x00\x00"), 0, 0, 0, 17)
		b = binary.BigEndian.AppendUint32(b, 1)
		b = append(b, 0)                  // no real merged image
		b = append(b, make([]byte, 8)...) // writer, reader
		b = binary.BigEndian.AppendUint32(b, 1)
		_, _ = w.added.Write(append(b, 0))
	}
	return stale, nil
}
