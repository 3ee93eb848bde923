// Package creative is CreativeVault: it looks inside the art files of a project, says what changed in them from
// version to version, and brings single elements of an old version back into the newer file.
//
// It promises: nothing is changed but by [Graft.Apply] and [Studio.ApplyRelinks], which take a safety snapshot first, can
// be undone, and stay off a file that was saved anew since; what would be written is looked at before: what was not meant
// must be unchanged, but for elements that the format says it had to change too (a collection that gets an object back),
// which the plan shows. What was made of a content once (elements, pictures) is remembered, and made again where it was
// lost.
package creative

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"varve"
	"varve/format"
)

// Studio looks into the files of one project.
type Studio struct {
	Vault   *varve.Vault
	Project *varve.Project
	Formats format.Set
	Ignore  varve.IgnoreSettings // of the safety snapshots
	// Patience is how long a format may look at one file of many; 0: two minutes.
	Patience time.Duration
}

// Item is a file at a moment, and what kind of file it is.
type Item struct {
	format.Input
	Path     string          // in the project; of a loose file, where it is
	Format   format.Format   // nil: no format knows it
	Snapshot *varve.Snapshot // nil: the file as it is
	Loose    bool            // it is not a file of the project

	content string // its SHA-256; "" where that is not known
	studio  *Studio
	placed  *placed // nil of a loose file
	close   func() error
}

// Open opens a file of a snapshot; of the project's folder if s is nil. The caller closes it.
func (st *Studio) Open(ctx context.Context, s *varve.Snapshot, at string) (*Item, error) {
	f, err := st.Project.Open(ctx, s, at)
	if err != nil {
		return nil, err
	}
	return st.of(ctx, s, f)
}

// of is the item of a file that was opened.
func (st *Studio) of(ctx context.Context, s *varve.Snapshot, f *varve.File) (*Item, error) {
	it := &Item{Path: f.Name(), Snapshot: s, content: f.Content()}
	it.placed = &placed{Input: f, it: it, ctx: ctx}
	it.Input = it.placed
	it.close = func() error { return errors.Join(it.placed.Close(), f.Close()) }
	return st.item(it)
}

// OpenLoose takes a file that is not one of the project: of it nothing is remembered. Closing it closes in, if that can
// be closed. If in is a [format.Folder], documents of several files are read by it.
func (st *Studio) OpenLoose(at string, in format.Input) (*Item, error) {
	it := &Item{Input: in, Path: at, Loose: true, close: func() error { return nil }}
	if c, ok := in.(io.Closer); ok {
		it.close = c.Close
	}
	return st.item(it)
}

func (st *Studio) item(it *Item) (*Item, error) {
	var err error
	it.studio = st
	if it.Format, err = st.Formats.Find(it.Path, it.Input); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", it.Path, err), it.close())
	}
	return it, nil
}

// Close lets the file go.
func (it *Item) Close() error { return it.close() }

// Ref says which version it is: "poster.psd@v12", or "poster.psd" for that in the folder.
func (it *Item) Ref() string {
	if it.Snapshot == nil {
		return it.Path
	}
	return it.Path + "@" + it.Snapshot.Ref()
}

// FormatName is the name of the item's format; "" if none knows it.
func (it *Item) FormatName() string {
	if it.Format == nil {
		return ""
	}
	return it.Format.Name()
}

// generation is in the names of all that is remembered: it grows when a format comes to see something else in a file.
const generation = "2"

// Content returns the SHA-256 of the item, lower-case hex: of the folder's files all is read for it, once.
func (it *Item) Content() (string, error) {
	if it.content != "" {
		return it.content, nil
	}
	sum := sha256.New()
	buf := make([]byte, min(256<<10, it.Size()+1)) // that of io.Copy is smaller, and half as much again is spent in calls
	if _, err := io.CopyBuffer(sum, struct{ io.Reader }{io.NewSectionReader(it.Input, 0, it.Size())}, buf); err != nil {
		return "", fmt.Errorf("%s: %w", it.Ref(), err)
	}
	it.content = hex.EncodeToString(sum.Sum(nil))
	return it.content, nil
}

// key names what is made of the item's content by its format.
func (it *Item) key(what string) (string, error) {
	content, err := it.Content()
	of := it.FormatName()
	if r, ok := it.Format.(format.Reviser); ok {
		of += "/" + r.Revision()
	}
	return what + "/" + generation + "/" + of + "/" + content, err
}

// errSlow says that a format was not waited for. It is an ErrLimit, and not one of the content: another time it may do.
var errSlow = fmt.Errorf("it takes too long: %w", format.ErrLimit)

// limited ends what takes longer than the studio's patience, with errSlow.
func limited[T any](ctx context.Context, st *Studio, make func(context.Context) (T, error)) (T, error) {
	timed, cancel := context.WithTimeout(ctx, cmp.Or(st.Patience, 2*time.Minute))
	defer cancel()
	out, err := make(timed)
	if err != nil && ctx.Err() == nil && timed.Err() != nil {
		err = errSlow
	}
	return out, err
}

// remembered returns what make makes of an item's content, from memory where it was made before of the same, and of the
// same files beside it, as far as those were looked at. An error of make is remembered too where it is one of the
// content. Of the folder's files nothing is: they are about to change.
func remembered[T any](ctx context.Context, it *Item, what string, make func(context.Context) (T, error)) (out T, err error) {
	if it.Snapshot == nil {
		return limited(ctx, it.studio, make)
	}
	key, err := it.key(what)
	if err != nil {
		return out, err
	}
	if b, ok := it.studio.Vault.Recollect(key); ok {
		var r result[T]
		if json.Unmarshal(b, &r) == nil && it.placed.same(ctx, r.Beside) {
			return r.Value, r.err()
		}
	}
	out, err = limited(ctx, it.studio, make)
	r := result[T]{Value: out, Beside: it.placed.seen()}
	switch {
	case errors.Is(err, format.ErrMalformed):
		r.Malformed = err.Error()
	case errors.Is(err, format.ErrUnsupported):
		r.Unsupported = err.Error()
	case err != nil:
		return out, err
	}
	b, failed := json.Marshal(r)
	if failed != nil {
		return out, failed
	}
	it.studio.Vault.Remember(key, b)
	return out, err
}

// result is what a format made, or why not.
type result[T any] struct {
	Value       T                 `json:"value"`
	Malformed   string            `json:"malformed,omitempty"`
	Unsupported string            `json:"unsupported,omitempty"`
	Beside      map[string]string `json:"beside,omitempty"` // the contents of files beside it, by path
}

func (r *result[T]) err() error {
	switch {
	case r.Malformed != "":
		return &verdict{r.Malformed, format.ErrMalformed}
	case r.Unsupported != "":
		return &verdict{r.Unsupported, format.ErrUnsupported}
	}
	return nil
}

// verdict is an error that a format once had.
type verdict struct {
	text string
	is   error
}

func (v *verdict) Error() string { return v.text }
func (v *verdict) Unwrap() error { return v.is }

// Elements returns what is inside a file.
func (it *Item) Elements(ctx context.Context) ([]format.Element, error) {
	return remembered(ctx, it, "elements", func(ctx context.Context) ([]format.Element, error) { return format.Elements(ctx, it.Format, it.Input) })
}

// Outline is Elements where aspects do not matter: where they are not known yet and take long, they are left out.
func (it *Item) Outline(ctx context.Context) ([]format.Element, error) {
	if it.Snapshot != nil {
		if key, err := it.key("elements"); err == nil {
			if _, ok := it.studio.Vault.Recollect(key); ok {
				return it.Elements(ctx)
			}
		}
	}
	return format.Outline(ctx, it.Format, it.Input)
}

// Element finds an element by its id, its stable id, or a name that no other has. Its aspects may be left out.
func (it *Item) Element(ctx context.Context, name string) (format.Element, error) {
	list, err := it.Outline(ctx)
	if err != nil {
		return format.Element{}, err
	}
	return pick(it.Ref(), list, name)
}

// pick finds an element of the file that of names.
func pick(of string, list []format.Element, name string) (format.Element, error) {
	for _, by := range []func(*format.Element) string{
		func(e *format.Element) string { return e.ID },
		func(e *format.Element) string { return e.Stable },
		func(e *format.Element) string { return e.Name },
	} {
		var found []format.Element
		for i := range list {
			if by(&list[i]) == name {
				found = append(found, list[i])
			}
		}
		switch {
		case len(found) == 1:
			return found[0], nil
		case len(found) > 1:
			return format.Element{}, &AmbiguousError{Item: of, Name: name, Candidates: found}
		}
	}
	return format.Element{}, fmt.Errorf("%s: %q: %w", of, name, format.ErrNoElement)
}

// AmbiguousError says that a name is that of several elements.
type AmbiguousError struct {
	Item, Name string
	Candidates []format.Element
}

func (e *AmbiguousError) Error() string {
	text := fmt.Sprintf("%s: %q is the name of %d elements; name one by its id:", e.Item, e.Name, len(e.Candidates))
	for i := range e.Candidates {
		text += fmt.Sprintf(" %s (%s)", e.Candidates[i].ID, e.Candidates[i].Kind)
	}
	return text
}

// Extract makes a file of an element.
func (it *Item) Extract(ctx context.Context, name string) (*format.Extract, error) {
	e, err := it.Element(ctx, name)
	if err != nil {
		return nil, err
	}
	return format.ExtractElement(ctx, it.Format, it.Input, e.ID)
}

// Validate is nil if the file is whole, as far as its format can tell.
func (it *Item) Validate(ctx context.Context) error {
	_, err := remembered(ctx, it, "valid", func(ctx context.Context) (bool, error) { return true, format.Validate(ctx, it.Format, it.Input) })
	return err
}
