package maya

import (
	"bytes"
	"context"
	"encoding/binary"

	"varve/format"
)

// maxDepth bounds how many groups may be in one another.
const maxDepth = 64

func binaryScene(head []byte) bool {
	return len(head) >= 20 && (bytes.HasPrefix(head, []byte("FOR4")) && string(head[8:12]) == "Maya" ||
		bytes.HasPrefix(head, []byte("FOR8")) && string(head[16:20]) == "Maya")
}

// chunk is a string of a binary scene that may name a file.
type chunk struct {
	group string // what it is in
	tag   string
	span
}

// reader walks over the chunks of a scene.
type reader struct {
	ctx   context.Context
	b     []byte
	wide  int // 8 or 4
	found []chunk
	steps int
}

// chunks checks that chunks are in one another, and returns those of strings and of references.
func chunks(ctx context.Context, in format.Input) (*reader, error) {
	b, err := format.ReadSpan(in, 0, in.Size(), maxText)
	if err != nil {
		return nil, err
	}
	if !binaryScene(b) {
		return nil, format.Malformed("no scene of Maya")
	}
	r := &reader{ctx: ctx, b: b, wide: int(b[3] - '0')}
	end, err := r.chunk("", 0, len(b), 0)
	if err == nil && end < len(b) {
		err = format.Malformed("%d bytes after the scene", len(b)-end)
	}
	return r, err
}

// chunk reads one at a place and returns where the next is.
func (r *reader) chunk(group string, at, end, depth int) (next int, err error) {
	if r.steps++; r.steps&0xfff == 0 && r.ctx.Err() != nil {
		return 0, r.ctx.Err()
	}
	head := 2 * r.wide
	if end-at < head {
		return 0, format.Malformed("%d bytes of a chunk at %d", end-at, at)
	}
	size := uint64(binary.BigEndian.Uint32(r.b[at+4:]))
	if r.wide == 8 {
		size = binary.BigEndian.Uint64(r.b[at+8:])
	}
	tag := string(r.b[at : at+4])
	from := at + head
	if size > uint64(end-from) {
		return 0, format.Malformed("a chunk %q of %d bytes at %d, %d left", tag, size, at, end-from)
	}
	to := from + int(size)
	switch tag {
	case "FOR4", "FOR8", "LIS4", "LIS8", "CAT4", "CAT8":
		if to-from < 4 {
			return 0, format.Malformed("a group of %d bytes at %d", to-from, at)
		}
		if depth == maxDepth {
			return 0, format.Malformed("more than %d groups within one another", maxDepth)
		}
		kind := string(r.b[from : from+4])
		for k := from + 4; k < to; {
			if k, err = r.chunk(kind, k, to, depth+1); err != nil {
				return 0, err
			}
		}
		return min(from+4+round(to-from-4, r.wide), end), nil
	case "STR ", "FREF", "FRDI":
		if len(r.found) < format.MaxReferences {
			r.found = append(r.found, chunk{group, tag, span{from, to}})
		}
	}
	return min(from+round(to-from, r.wide), end), nil
}

func round(n, to int) int { return (n + to - 1) / to * to }

// nodeType is the type of a node in text, by its number; "" where it is not known.
func nodeType(number string) string {
	switch number {
	case "RTFT":
		return "file"
	case "PSDT":
		return "psdFileTex"
	case "RTMV":
		return "movie"
	case "RMTX":
		return "mentalrayTexture"
	case "DIPL":
		return "imagePlane"
	case "AUDI":
		return "audio"
	}
	return ""
}

// binaryReferences lists what a binary scene needs: what FREF says, and strings of attributes that name files.
func binaryReferences(ctx context.Context, in format.Input) ([]format.Reference, error) {
	r, err := chunks(ctx, in)
	if err != nil {
		return nil, err
	}
	var out []format.Reference
	for _, c := range r.found {
		data := r.b[c.from:c.to]
		kind := "scene"
		if c.tag == "STR " { // name, a byte, value
			attr, rest, ok := bytes.Cut(data, []byte{0})
			if kind = held(c.group, string(attr)); !ok || kind == "" || len(rest) < 2 {
				continue
			}
			data = rest[1:]
		}
		raw, _, _ := bytes.Cut(data, []byte{0})
		ref := format.Reference{Kind: kind, Raw: string(raw), Optional: c.tag == "FRDI"}
		if ref.Path, ref.Style = pathOf(ref.Raw); ref.Path == "" || len(raw) > 1<<14 {
			continue
		}
		at := bytes.Index(r.b[c.from:c.to], raw)
		ref.Off, ref.Len = int64(c.from+at), int64(len(raw))
		if ref.Path = several(ref.Path, &node{}); kind == "texture" {
			ref.Sequence = bytes.Contains([]byte(ref.Path), []byte("<UDIM>")) || bytes.ContainsAny([]byte(ref.Path), "#")
		}
		out = append(out, ref)
	}
	return out, nil
}

// held says what kind of file an attribute of a node names. The numbers of plug-ins' nodes are not known: of theirs only
// attributes whose names no other node has.
func held(number, attr string) string {
	if name := nodeType(number); name != "" {
		return heldBy(name, attr)
	}
	switch attr {
	case "cfn":
		return "cache"
	case "dso":
		return "scene"
	}
	return ""
}
