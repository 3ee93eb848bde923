package png

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"

	"varve/format"
	"varve/format/frames"
	"varve/format/raster"
	"varve/format/window"
)

// Elements lists the picture, or the frames of an animation as they are shown, and texts. A picture that is no frame of
// the animation beside it comes first. Dates that are written at every save are left out.
func (Format) Elements(ctx context.Context, in format.Input) ([]format.Element, error) {
	f, err := open(ctx, in)
	if err != nil {
		return nil, err
	}
	var list []format.Element
	if !f.animation() || &f.frames[0].data[0] != &f.data[0] {
		p, err := f.still(ctx)
		if err != nil {
			return nil, err
		}
		list = append(list, frames.Still(p, length(f.data)))
	}
	err = f.show(ctx, len(f.frames), func(i int, p *raster.Image) error {
		g := &f.frames[i]
		e := frames.Shown(i, p, g.x, g.y, g.width, g.height, g.delay())
		e.Bytes = length(g.data)
		list = append(list, e)
		return nil
	})
	if err != nil {
		return nil, err
	}
	texts, err := f.texted()
	return append(list, texts...), err
}

// animation reports whether there are frames.
func (f *file) animation() bool { return len(f.frames) > 0 }

func (g *frame) delay() time.Duration {
	den := time.Duration(g.den)
	if den == 0 {
		den = 100
	}
	return time.Duration(g.num) * time.Second / den
}

func length(spans []window.Span) (n int64) {
	for _, s := range spans {
		n += s.Len
	}
	return n
}

// show calls visit with the first count frames as they are shown, one after another.
func (f *file) show(ctx context.Context, count int, visit func(int, *raster.Image) error) error {
	if count == 0 {
		return nil
	}
	if err := frames.BoundAll(f.width, f.height, count); err != nil {
		return err
	}
	if err := frames.Bound(f.width, f.height, f.in.Size()); err != nil {
		return err
	}
	depth := raster.U8
	if f.depth == 16 {
		depth = raster.U16
	}
	c, err := frames.NewCanvas(f.width, f.height, depth)
	if err != nil {
		return err
	}
	for i := range f.frames[:count] {
		g := &f.frames[i]
		p, err := f.picture(ctx, g.width, g.height, g.data)
		if err != nil {
			return fmt.Errorf("frame %d: %w", i+1, err)
		}
		after := frames.After(g.dispose)
		if i == 0 && after == frames.Restore { // to nothing
			after = frames.Clear
		}
		shown := c.Show(frames.Frame{X: g.x, Y: g.y, Image: p, Over: g.blend == 1, After: after})
		if err := visit(i, shown); err != nil {
			return err
		}
	}
	return nil
}

// Extract makes a PNG of the picture or of a frame as it is shown, and a text file of a text.
func (Format) Extract(ctx context.Context, in format.Input, id string) (*format.Extract, error) {
	f, err := open(ctx, in)
	if err != nil {
		return nil, err
	}
	var n int
	if _, err := fmt.Sscanf(id, "frame:%d", &n); err == nil && n >= 1 && n <= len(f.frames) && id == fmt.Sprintf("frame:%d", n) {
		var out *format.Extract
		err := f.show(ctx, n, func(i int, p *raster.Image) (err error) {
			if i == n-1 {
				out, err = frames.Extract(p)
			}
			return err
		})
		return out, err
	}
	if id == "image" {
		p, err := f.picture(ctx, f.width, f.height, f.data)
		if err != nil {
			return nil, err
		}
		return frames.Extract(p)
	}
	for i, c := range f.texts {
		key, text, err := f.text(c)
		if err != nil {
			return nil, err
		}
		if id == textID(i, key) {
			out := new(format.Output)
			_, err := out.Write([]byte(text))
			return &format.Extract{Extension: ".txt", Content: out}, err
		}
	}
	return nil, format.ErrNoElement
}

func textID(i int, key string) string { return fmt.Sprintf("text:%d:%s", i+1, key) }

// texted lists the texts.
func (f *file) texted() ([]format.Element, error) {
	var list []format.Element
	count := map[string]int{}
	for i, c := range f.texts {
		key, text, err := f.text(c)
		if err != nil {
			return nil, err
		}
		if key == "" || key == xmpKey || strings.HasPrefix(key, "date:") {
			continue
		}
		count[key]++
		list = append(list, format.Element{ID: textID(i, key), Stable: fmt.Sprintf("text:%s:%d", key, count[key]), Kind: "text", Name: key,
			Bytes: c.n, Properties: map[string]string{"text": frames.Short(text)}, Aspects: map[string]string{"text": format.HashOf([]byte(text))}})
	}
	return list, nil
}

const xmpKey = "XML:com.adobe.xmp"

// text returns the keyword and the text of a chunk, in UTF-8; no keyword where it cannot be read.
func (f *file) text(c chunk) (key, text string, err error) {
	b, err := format.ReadSpan(f.in, c.off, c.n, 16*maxText)
	if err != nil {
		return "", "", err
	}
	k, rest, ok := bytes.Cut(b, []byte{0})
	if !ok || len(k) == 0 || len(k) > 79 {
		return "", "", nil
	}
	key = latin1(k)
	switch {
	case c.kind == "tEXt":
		return key, latin1(rest), nil
	case c.kind == "zTXt" && len(rest) > 0:
		t, err := inflated(rest[1:], maxText)
		if err != nil {
			return "", "", nil
		}
		return key, latin1(t), nil
	case c.kind == "iTXt" && len(rest) > 2:
		packed := rest[0] == 1
		parts := bytes.SplitN(rest[2:], []byte{0}, 3) // language, keyword in it, text
		if len(parts) < 3 {
			return "", "", nil
		}
		t := parts[2]
		if packed {
			if t, err = inflated(t, maxText); err != nil {
				return "", "", nil
			}
		}
		return key, strings.ToValidUTF8(string(t), "\uFFFD"), nil
	}
	return "", "", nil
}

func latin1(b []byte) string {
	r := make([]rune, len(b))
	for i, c := range b {
		r[i] = rune(c)
	}
	return string(r)
}
