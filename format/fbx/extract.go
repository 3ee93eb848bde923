package fbx

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"path"
	"strings"

	"varve/format"
	"varve/format/splice"
)

const maxContent = 1 << 30 // bytes of a file that text holds

// content returns what reads the file that is in a video; nil if there is none.
func (s *scene) content(o *object) func() (format.Input, error) {
	n := o.node.first("Content")
	v := n.value(0)
	if v == nil || v.n == 0 {
		return nil
	}
	if s.ascii == nil {
		if v.kind != 'R' && v.kind != 'S' {
			return nil
		}
		return func() (format.Input, error) { return io.NewSectionReader(s.in, v.off, v.n), nil }
	}
	return func() (format.Input, error) {
		var all []byte
		for i := range n.values {
			v := &n.values[i]
			part := s.ascii[v.off : v.off+v.n]
			if len(all)+len(part) > maxContent {
				return nil, fmt.Errorf("the content of %.80q: %w", o.name, format.ErrLimit)
			}
			for p := range bytes.FieldsSeq(part) {
				b, err := base64.StdEncoding.AppendDecode(all, p)
				if err != nil {
					return nil, format.Malformed("the content of %.80q: %v", o.name, err)
				}
				all = b
			}
		}
		return format.Bytes(all), nil
	}
}

// Extract makes the file that a texture or video has in it.
func (Format) Extract(ctx context.Context, in format.Input, id string) (*format.Extract, error) {
	s, err := load(ctx, in)
	if err != nil {
		return nil, err
	}
	for _, o := range s.objects {
		if o.id != id || o.inside() {
			continue
		}
		if o.class != "Texture" && o.class != "Video" {
			return nil, format.Unsupported("%s %.80q as a file", o.kind, o.name)
		}
		for _, at := range append([]*object{o}, s.videos(o)...) {
			c := s.content(at)
			if c == nil {
				continue
			}
			from, err := c()
			if err != nil {
				return nil, err
			}
			return &format.Extract{Extension: s.extension(from, at, o), Content: splice.Cut(from, 0, from.Size())}, nil
		}
		return nil, format.Unsupported("%s %.80q as a file: it is not in this one", o.kind, o.name)
	}
	return nil, fmt.Errorf("%.200q: %w", id, format.ErrNoElement)
}

// extension is that of a file's name; of none, what it begins like.
func (s *scene) extension(in format.Input, of ...*object) string {
	for _, o := range of {
		if e := strings.ToLower(path.Ext(s.fileOf(o))); len(e) > 1 && len(e) < 8 && !strings.ContainsAny(e, " /\\:") {
			return e
		}
	}
	head := make([]byte, 8)
	_, _ = in.ReadAt(head, 0)
	switch {
	case bytes.HasPrefix(head, []byte("\x89PNG")):
		return ".png"
	case bytes.HasPrefix(head, []byte("\xff\xd8")):
		return ".jpg"
	}
	return ".bin"
}
