package creative

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"varve/format"
	"varve/format/mesh"
	"varve/format/raster"
	"varve/format/tensor"
)

// Visual is what two files, or two versions of one, differ in to who looks at them.
type Visual struct {
	Kind string // tensors, model, image, elements, bytes: what was compared, the first that could be
	// Identical: nothing differs that the application shows; the bytes may.
	Identical bool
	BytesSame bool
	Image     *raster.Comparison
	Model     *mesh.Comparison
	OldModel  *mesh.Measures
	NewModel  *mesh.Measures
	Tensors   *tensor.Comparison
	Elements  []ElementChange
	Listed    bool // what is inside was compared
	Notes     []string

	new     *Item
	old     *Item
	oldMesh *mesh.Model
	newMesh *mesh.Model
}

// VisualOptions say how to compare.
type VisualOptions struct {
	Image raster.Options
	Mesh  mesh.Options
	// Tensors: of its fields Same is set here.
	Tensors tensor.Options
	// Inside: only what is inside is compared, where that can be listed: pixels are not decoded, meshes not measured.
	Inside bool
}

// Visual compares two files by what they show: their pixels, their meshes, what is inside of them; and by their bytes
// where nothing of that can be had.
func (st *Studio) Visual(ctx context.Context, old, new *Item, o VisualOptions) (*Visual, error) {
	if !o.Inside { // what elements are read from is asked for again, in looks
		old, new = old.keeping(), new.keeping()
	}
	v := &Visual{Kind: "bytes", old: old, new: new}
	var err error
	if v.BytesSame, err = sameBytes(ctx, old, new); err != nil {
		return nil, err
	}
	if !o.Inside {
		if err := v.compareTensors(ctx, o.Tensors); err != nil {
			return nil, err
		}
	}
	if v.Tensors == nil { // their list of elements would say less of the same
		if err := v.compareElements(ctx); err != nil {
			return nil, err
		}
	}
	if v.Tensors == nil && (!o.Inside || !v.Listed) {
		if err := v.compareLooks(ctx, &o); err != nil {
			return nil, err
		}
	}
	switch {
	case v.Tensors != nil:
		v.Kind = "tensors"
	case v.Model != nil:
		v.Kind = "model"
	case v.Image != nil:
		v.Kind = "image"
	case v.Listed:
		v.Kind = "elements"
	}
	v.Identical = v.BytesSame || v.Kind != "bytes" && len(v.Elements) == 0 &&
		(v.Tensors == nil || v.Tensors.Same()) && (v.Model == nil || v.Model.Same()) && (v.Image == nil || v.Image.Verdict == raster.Identical)
	return v, nil
}

// sameBytes reports whether two files have the same bytes: by their hashes where both are known, else by themselves, for
// they differ soon.
func sameBytes(ctx context.Context, old, new *Item) (bool, error) {
	switch size := old.Size(); {
	case old.content != "" && new.content != "":
		return old.content == new.content, nil
	case size != new.Size():
		return false, nil
	default:
		const part = 256 << 10
		var b [2][part]byte
		for at := int64(0); at < size; at += part {
			if err := ctx.Err(); err != nil {
				return false, err
			}
			n := int(min(part, size-at))
			for i, it := range []*Item{old, new} {
				if k, err := it.ReadAt(b[i][:n], at); k < n {
					return false, fmt.Errorf("%s: %w", it.Ref(), cmp.Or(err, io.ErrUnexpectedEOF))
				}
			}
			if !bytes.Equal(b[0][:n], b[1][:n]) {
				return false, nil
			}
		}
		return true, nil
	}
}

// compareLooks compares meshes, or pixels where there are none.
func (v *Visual) compareLooks(ctx context.Context, o *VisualOptions) error {
	if err := v.compareModels(ctx, o.Mesh); err != nil || v.Model != nil {
		return err
	}
	return v.compareImages(ctx, o.Image)
}

// both asks for something of both files; ok is false, with a note, where one of them cannot give it.
func both[T any](v *Visual, what string, of func(*Item) (T, error)) (a, b T, ok bool, err error) {
	var out [2]T
	var errs [2]error
	items := [2]*Item{v.old, v.new}
	if v.old.Snapshot == nil || v.new.Snapshot == nil { // side by side: one reader of the vault, at most
		var group sync.WaitGroup
		group.Go(func() { out[0], errs[0] = of(v.old) })
		out[1], errs[1] = of(v.new)
		group.Wait()
	} else if out[0], errs[0] = of(v.old); errs[0] == nil {
		out[1], errs[1] = of(v.new)
	}
	for i, it := range items {
		err := errs[i]
		if err != nil && ofContent(err) {
			if !errors.Is(err, format.ErrUnsupported) {
				v.Notes = append(v.Notes, fmt.Sprintf("%s of %s: %v", what, it.Ref(), err))
			}
			return a, b, false, nil
		}
		if err != nil {
			return a, b, false, fmt.Errorf("%s: %w", it.Ref(), err)
		}
	}
	return out[0], out[1], true, nil
}

func (v *Visual) compareElements(ctx context.Context) error {
	if v.old.FormatName() != v.new.FormatName() || v.old.Format == nil {
		return nil
	}
	a, b, ok, err := both(v, "elements", func(it *Item) ([]format.Element, error) { return it.Elements(ctx) })
	if ok && err == nil {
		v.Listed, v.Elements = len(a)+len(b) > 0, Compare(a, b)
	}
	return err
}

// compareTensors compares the tensors of two files, which may be of two formats.
func (v *Visual) compareTensors(ctx context.Context, o tensor.Options) error {
	a, b, ok, err := both(v, "tensors", func(it *Item) (*tensor.List, error) { return format.Tensors(ctx, it.Format, it.Input) })
	if !ok || err != nil || len(a.Tensors)+len(b.Tensors) == 0 {
		return err
	}
	o.Same = func(old, new *tensor.Tensor) bool { return v.sameSpan(old, new) }
	v.Tensors, err = tensor.Compare(ctx, tensor.Side{List: a, In: v.old.Input}, tensor.Side{List: b, In: v.new.Input}, o)
	if err != nil && ofContent(err) {
		v.Notes = append(v.Notes, fmt.Sprintf("tensors: %v", err))
		return nil
	}
	for i, list := range []*tensor.List{a, b} {
		for _, note := range list.Notes {
			v.Notes = append(v.Notes, []*Item{v.old, v.new}[i].Ref()+": "+note)
		}
	}
	return err
}

// sameSpan reports whether the vault knows, without reading them, that two tensors have the same bytes.
func (v *Visual) sameSpan(old, new *tensor.Tensor) bool {
	if old.Len == 0 || old.Len != new.Len || old.Open != nil || new.Open != nil {
		return false
	}
	a, known := identityOf(v.old.Input, old)
	b, too := identityOf(v.new.Input, new)
	return known && too && a == b
}

func identityOf(in format.Input, t *tensor.Tensor) (string, bool) {
	var from any = in
	if t.In != nil {
		from = t.In
	}
	if named, ok := from.(identified); ok {
		return named.Identity(t.Off, t.Len)
	}
	return "", false
}

func (v *Visual) compareModels(ctx context.Context, o mesh.Options) error {
	a, b, ok, err := both(v, "meshes", func(it *Item) (*mesh.Model, error) { return format.Model(ctx, it.Format, it.Input) })
	if !ok || err != nil || len(a.Objects)+len(b.Objects) == 0 {
		return err
	}
	v.oldMesh, v.newMesh = a, b
	var group sync.WaitGroup
	var old mesh.Measures
	var failed error
	group.Go(func() { old, failed = a.Measure(ctx) })
	new, err := b.Measure(ctx)
	group.Wait()
	if err := cmp.Or(failed, err); err != nil {
		return err
	}
	v.OldModel, v.NewModel = &old, &new
	v.Model, err = mesh.Compare(ctx, a, b, o)
	return err
}

func (v *Visual) compareImages(ctx context.Context, o raster.Options) error {
	a, b, ok, err := both(v, "pixels", func(it *Item) (*raster.Image, error) { return format.Decode(ctx, it.Format, it.Input) })
	if err != nil {
		return err
	}
	if !ok {
		p, q, ok, err := both(v, "picture", func(it *Item) (*format.Picture, error) { return format.Show(ctx, it.Format, it.Input, MaxThumb) })
		if !ok || err != nil {
			return err
		}
		a, b = p.Image, q.Image
		if p.Source == format.Embedded || q.Source == format.Embedded {
			v.Notes = append(v.Notes, "the pixels cannot be had: the pictures that the application has put into the files were compared")
		} else {
			v.Notes = append(v.Notes, fmt.Sprintf("compared as drawn, %d×%d and %d×%d pixels", a.Width, a.Height, b.Width, b.Height))
		}
		for _, of := range []*format.Picture{p, q} {
			if note := of.Note; note != "" && !slices.Contains(v.Notes, note) {
				v.Notes = append(v.Notes, note)
			}
		}
	}
	v.Image, err = raster.Compare(ctx, a, b, o)
	return err
}

// Mode is a way to draw what differs.
type Mode string

const (
	Side    Mode = "side"    // old and new beside each other
	Overlay Mode = "overlay" // the new one, pale, and what changed in colour
	Heat    Mode = "heat"    // how much each place differs
	Mask    Mode = "mask"    // where something differs: white on black
)

// Valid reports whether it is one of the modes.
func (m Mode) Valid() bool { return m == Side || m == Overlay || m == Heat || m == Mask }

// Picture draws what differs; ErrUnsupported where nothing can be drawn. size is the longer side of drawings of models;
// those of pictures are as large as the pictures. Of tensors, whatever the mode, a bar each. A model's mask is where the drawings of both versions differ.
func (v *Visual) Picture(ctx context.Context, m Mode, size int) (*raster.Image, error) {
	if v.Tensors != nil {
		return bars(v.Tensors, size)
	}
	if v.Model == nil {
		if v.Image == nil {
			return nil, format.Unsupported("nothing of %s can be drawn", v.new.Ref())
		}
		return v.Image.Draw(ctx, raster.Drawing(m), 0)
	}
	camera := mesh.CameraOf(v.oldMesh.Bounds().Union(v.newMesh.Bounds()), v.newMesh.Up)
	if m == Overlay || m == Heat {
		return mesh.RenderDifference(ctx, v.Model, v.oldMesh, v.newMesh, camera, size, size)
	}
	var both [2]*raster.Image
	for i, of := range []*mesh.Model{v.oldMesh, v.newMesh} {
		var err error
		both[i], err = format.Guard(v.new.Format, func() (*raster.Image, error) { return mesh.Render(ctx, of, camera, size, size) })
		if err != nil {
			return nil, err
		}
	}
	c, err := raster.Compare(ctx, both[0], both[1], raster.Options{Align: raster.AlignTopLeft})
	if err != nil {
		return nil, err
	}
	return c.Draw(ctx, raster.Drawing(m), 0)
}
