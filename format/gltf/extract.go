package gltf

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"varve/format"
)

// Extract makes a GLB of an element with all that it needs; of images and textures the picture.
func (f Format) Extract(ctx context.Context, in format.Input, id string) (*format.Extract, error) {
	r, err := read(in)
	if err != nil {
		return nil, err
	}
	list, i, err := r.parseID(id)
	if err != nil {
		return nil, err
	}
	switch list {
	case images, textures:
		return r.picture(list, i)
	case variants:
		return nil, format.Unsupported("a variant is only a name")
	}
	frame, err := read(format.Bytes(r.frame()))
	if err != nil {
		return nil, err
	}
	g := newGraft(ctx, frame, r)
	g.nodes = true
	if err := g.plan([]string{id}); err != nil {
		return nil, err
	}
	if list == meshes { // to be seen, it must be somewhere
		g.fresh[nodes] = append(g.fresh[nodes], fmt.Appendf(nil, `{"mesh":%d,"name":%s}`, g.plans[id].to, quote(r.name(list, i))))
		g.rows[-1] = append(g.rows[-1], g.length[nodes])
	}
	out, err := g.finish()
	if err != nil {
		return nil, err
	}
	return &format.Extract{Extension: ".glb", Content: out.Content}, nil
}

func quote(s string) []byte {
	b, _ := json.Marshal(s) // of a string it cannot fail
	return b
}

// frame is a GLB with an empty scene, of the rights of this file.
func (r *reader) frame() []byte {
	asset := []byte(`{"version":"2.0"`)
	if k := r.get(0, "asset", "copyright"); k >= 0 {
		asset = append(append(asset, `,"copyright":`...), r.raw(k)...)
	}
	var text, all format.Output
	_, _ = text.Write(fmt.Appendf(nil, `{"asset":%s},"scene":0,"scenes":[{}]}`, asset))
	put(&all, chunkJSON, &text, ' ')
	var out bytes.Buffer
	out.WriteString("glTF\x02\x00\x00\x00")
	n := all.Size() + header
	out.Write([]byte{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24)})
	_, _ = all.WriteTo(&out)
	return out.Bytes()
}

// picture returns the file of an image, or of the image of a texture.
func (r *reader) picture(list string, i int) (*format.Extract, error) {
	if list == textures {
		refs, err := r.references(list, i)
		if err != nil {
			return nil, err
		}
		k := -1
		for _, ref := range refs {
			if ref.to == images {
				k = ref.index
			}
		}
		if k < 0 {
			return nil, format.Unsupported("a texture without an image")
		}
		i = k
	}
	k := r.lists[images][i]
	out := &format.Extract{Content: new(format.Output)}
	if u := r.get(k, "uri"); u >= 0 {
		uri := r.string(u)
		if isData(uri) {
			b, err := decodeData(uri)
			if err != nil {
				return nil, err
			}
			_, _ = out.Content.Write(b)
		} else {
			in, err := r.beside(uri)
			if err != nil {
				return nil, err
			}
			out.Content.Span(in, 0, in.Size())
		}
	} else {
		n, ok := r.count(r.get(k, "bufferView"))
		if !ok {
			return nil, format.Malformed("image %d has no bytes", i)
		}
		v, err := r.view(int(n))
		if err != nil {
			return nil, err
		}
		in, at, size, err := r.source(v.buffer)
		if err != nil {
			return nil, err
		}
		if v.off+v.n > size || at+v.off+v.n > in.Size() {
			return nil, format.Malformed("image %d lies beyond its buffer", i)
		}
		out.Content.Span(in, at+v.off, v.n)
	}
	head := make([]byte, min(out.Content.Size(), 16))
	if _, err := out.Content.ReadAt(head, 0); err != nil {
		return nil, err
	}
	out.Extension = extension(head)
	return out, nil
}

// extension tells the kind of a picture by its first bytes.
func extension(head []byte) string {
	for magic, ext := range map[string]string{"\x89PNG": ".png", "\xff\xd8\xff": ".jpg", "RIFF": ".webp", "\xabKTX 20": ".ktx2", "DDS ": ".dds"} {
		if bytes.HasPrefix(head, []byte(magic)) {
			return ext
		}
	}
	if len(head) >= 12 && string(head[4:12]) == "ftypavif" {
		return ".avif"
	}
	return ".bin"
}
