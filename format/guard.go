package format

import (
	"context"
	"fmt"

	"varve/format/mesh"
	"varve/format/raster"
	"varve/format/tensor"
)

// Guard calls do, which is of a format, and turns its panic into an ErrFailed.
func Guard[T any](f Format, do func() (T, error)) (out T, err error) {
	defer func() {
		if r := recover(); r != nil {
			var none T
			out, err = none, fmt.Errorf("%s: %w: %v", f.Name(), ErrFailed, r)
		}
	}()
	out, err = do()
	if err != nil {
		var none T
		return none, fmt.Errorf("%s: %w", f.Name(), err)
	}
	return out, nil
}

// can calls a method of a capability C of f.
func can[C, T any](f Format, what string, do func(C) (T, error)) (out T, err error) {
	if f == nil {
		return out, Unsupported("no format knows this file")
	}
	c, ok := f.(C)
	if !ok {
		return out, Unsupported("%s: %s", f.Name(), what)
	}
	return Guard(f, func() (T, error) { return do(c) })
}

// Elements returns what is inside a file. It refuses a list that is not sound.
func Elements(ctx context.Context, f Format, in Input) ([]Element, error) {
	return can(f, "elements", func(e Elementer) ([]Element, error) {
		list, err := e.Elements(ctx, in)
		if err != nil {
			return nil, err
		}
		return list, sound(list)
	})
}

// Outline is Elements where aspects do not matter: those that take long may be left out.
func Outline(ctx context.Context, f Format, in Input) ([]Element, error) {
	o, ok := f.(Outliner)
	if !ok {
		return Elements(ctx, f, in)
	}
	return Guard(f, func() ([]Element, error) {
		list, err := o.Outline(ctx, in)
		if err != nil {
			return nil, err
		}
		return list, sound(list)
	})
}

// sound: ids are unique, and each element comes after the one that it is in.
func sound(list []Element) error {
	if len(list) > MaxElements {
		return fmt.Errorf("%d elements: %w", len(list), ErrLimit)
	}
	seen := make(map[string]bool, len(list))
	names := 0
	for i := range list {
		e := &list[i]
		if names += len(e.ID) + len(e.Stable) + len(e.Parent) + len(e.Name); names > MaxNames {
			return fmt.Errorf("names of more than %d bytes: %w", MaxNames, ErrLimit)
		}
		if e.ID == "" || seen[e.ID] {
			return fmt.Errorf("two elements have the id %q", e.ID)
		}
		if e.Parent != "" && !seen[e.Parent] {
			return fmt.Errorf("element %q is in %q, which does not come before it", e.ID, e.Parent)
		}
		if n := len(e.Bounds); n != 0 && n != 4 && n != 6 {
			return fmt.Errorf("element %q has %d bounds", e.ID, n)
		}
		seen[e.ID] = true
	}
	return nil
}

// ExtractElement makes a file of an element.
func ExtractElement(ctx context.Context, f Format, in Input, id string) (*Extract, error) {
	return can(f, "extracting elements", func(e Extractor) (*Extract, error) { return e.Extract(ctx, in, id) })
}

// Graft puts elements of one version of a file into another.
func Graft(ctx context.Context, f Format, into, from Input, ids []string) (*Grafting, error) {
	return can(f, "putting elements into another version", func(g Grafter) (*Grafting, error) { return g.Graft(ctx, into, from, ids) })
}

// Show returns a picture of a file.
func Show(ctx context.Context, f Format, in Input, size int) (*Picture, error) {
	return can(f, "pictures", func(p Picturer) (*Picture, error) { return p.Picture(ctx, in, size) })
}

// Decode returns all pixels of a file.
func Decode(ctx context.Context, f Format, in Input) (*raster.Image, error) {
	return can(f, "decoding", func(d Decoder) (*raster.Image, error) { return d.Decode(ctx, in) })
}

// Model returns the meshes of a file.
func Model(ctx context.Context, f Format, in Input) (*mesh.Model, error) {
	return can(f, "meshes", func(m Modeler) (*mesh.Model, error) { return m.Model(ctx, in) })
}

// Tensors returns the tensors of a file.
func Tensors(ctx context.Context, f Format, in Input) (*tensor.List, error) {
	return can(f, "tensors", func(w Weigher) (*tensor.List, error) { return w.Tensors(ctx, in) })
}

// References returns what a file needs.
func References(ctx context.Context, f Format, in Input) ([]Reference, error) {
	return can(f, "references", func(r Referrer) ([]Reference, error) {
		list, err := r.References(ctx, in)
		if err == nil && len(list) > MaxReferences {
			return nil, fmt.Errorf("%d references: %w", len(list), ErrLimit)
		}
		return list, err
	})
}

// Names returns the ids that a file gives; none where its format gives none.
func Names(ctx context.Context, f Format, in Input) ([]Name, error) {
	n, ok := f.(Namer)
	if !ok {
		return nil, nil
	}
	return Guard(f, func() ([]Name, error) { return n.Names(ctx, in) })
}

// Rewrite makes a file need others.
func Rewrite(ctx context.Context, f Format, in Input, paths map[string]string) (*Output, error) {
	return can(f, "rewriting references", func(r Rewriter) (*Output, error) { return r.Rewrite(ctx, in, paths) })
}

// Validate checks whether a file is whole; nil, too, where the format cannot tell.
func Validate(ctx context.Context, f Format, in Input) error {
	v, ok := f.(Validator)
	if !ok {
		return nil
	}
	_, err := Guard(f, func() (struct{}, error) { return struct{}{}, v.Validate(ctx, in) })
	return err
}
