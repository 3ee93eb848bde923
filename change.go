package varve

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"varve/internal/capture"
	"varve/internal/diff"
	"varve/internal/digest"
	"varve/internal/disk"
	"varve/internal/history"
	"varve/internal/object"
	"varve/internal/scan"
	"varve/internal/tree"
)

// Difference is what differs at one path between two states of a project.
type Difference struct {
	Path, Old string // Old: the path before a rename
	Change    string // added, modified, removed, renamed, metadata
	Kind      string // file, dir, link …
	OldEntry  *Entry
	NewEntry  *Entry
	Detail    string
}

// Status says what changed since the last snapshot.
type Status struct {
	Added, Modified, Removed, Metadata []string
	Renamed                            []Change
	Last                               *Snapshot // nil if there is none
	Errors                             []Failure
	Skipped                            history.Skipped
}

// Status compares the folder with the last snapshot. Files whose times changed are read.
func (p *Project) Status(ctx context.Context, ig IgnoreSettings) (*Status, error) {
	latest := p.Latest()
	st := &Status{Last: latest}
	if latest == nil {
		return st, p.listNew(ctx, ig, st)
	}
	_, res, err := p.draft(ctx, ig)
	if err != nil {
		return nil, err
	}
	st.Errors, st.Skipped = res.Errors, res.Skipped
	for _, c := range res.List {
		switch c.Kind {
		case history.Added:
			st.Added = append(st.Added, c.Path)
		case history.Modified:
			st.Modified = append(st.Modified, c.Path)
		case history.Removed:
			st.Removed = append(st.Removed, c.Path)
		case history.Renamed:
			st.Renamed = append(st.Renamed, c)
		case history.Touched:
			st.Metadata = append(st.Metadata, c.Path)
		}
	}
	return st, nil
}

// listNew lists a folder of which nothing was kept, without reading files.
func (p *Project) listNew(ctx context.Context, ig IgnoreSettings, st *Status) error {
	rules, files, _, err := p.rules(ig)
	if err != nil {
		return err
	}
	return scan.Walk(ctx, p.dir, scan.Options{Workers: 1, Rules: rules, Files: files, Skip: p.skip,
		Enter: func(_ *scan.Walker, f *scan.Folder) error {
			if f.Err != nil {
				st.Errors = append(st.Errors, Failure{Path: f.Path(), Error: f.Err.Error()})
			}
			st.Skipped.Files += f.Hidden
			st.Skipped.Bytes += f.HiddenB
			for i := range f.Entries {
				if f.Entries[i].Type != disk.Directory {
					st.Added = append(st.Added, f.Join(f.Entries[i].Name))
				}
			}
			return nil
		},
		Leave: func(*scan.Walker, *scan.Folder) error { slices.Sort(st.Added); return nil }})
}

// draft describes the folder as it is, without keeping it.
func (p *Project) draft(ctx context.Context, ig IgnoreSettings) (*object.Draft, *capture.Result, error) {
	latest := p.Latest()
	stat, whole, release := p.openCache(ctx, latest)
	defer release()
	opt, err := p.captureOptions(ctx, latest, stat, whole, ig, func() int64 { return 0 }, nil)
	if err != nil {
		return nil, nil, err
	}
	d := p.v.db.NewDraft()
	res, err := capture.Draft(ctx, p.v.db, d, opt)
	return d, res, err
}

// draftGetter reads pages of a draft, or of the vault.
func (v *Vault) draftGetter(d *object.Draft) tree.Getter {
	r := v.db.NewReader()
	return func(ctx context.Context, id digest.Digest) ([]byte, error) { return d.Get(ctx, r, id) }
}

// DrySnap says what a snapshot would keep.
func (p *Project) DrySnap(ctx context.Context, ig IgnoreSettings) (*Snapshot, []Change, error) {
	began := p.v.opt.Now()
	_, res, err := p.draft(ctx, ig)
	if err != nil {
		return nil, nil, err
	}
	s := p.describe(SnapOptions{}, res, p.Latest(), began)
	s.Seconds = p.v.opt.Now().Sub(began).Seconds()
	return s, res.List, nil
}

// Diff lists what differs between two snapshots, or between a snapshot and the folder as it is if b is
// nil, below a path.
func (p *Project) Diff(ctx context.Context, a, b *Snapshot, at string, ig IgnoreSettings) ([]Difference, error) {
	get := p.v.getter()
	var root digest.Digest
	if b != nil {
		root = b.Root
	} else {
		d, res, err := p.draft(ctx, ig)
		if err != nil {
			return nil, err
		}
		if len(res.Errors) > 0 {
			err = &PartialError{Failures: res.Errors}
		}
		get, root = p.v.draftGetter(d), res.Root
		out, derr := p.differences(ctx, get, a.Root, root, at)
		return out, errors.Join(derr, err)
	}
	return p.differences(ctx, get, a.Root, root, at)
}

// PartialError says that some sources could not be read; everything else was done.
type PartialError struct{ Failures []Failure }

func (e *PartialError) Error() string {
	if len(e.Failures) == 1 {
		return fmt.Sprintf("%s: %s", e.Failures[0].Path, e.Failures[0].Error)
	}
	return fmt.Sprintf("%d files could not be read, the first is %s: %s", len(e.Failures), e.Failures[0].Path, e.Failures[0].Error)
}

func (p *Project) differences(ctx context.Context, get tree.Getter, a, b digest.Digest, at string) ([]Difference, error) {
	list, err := diff.Trees(ctx, get, a, b, diff.Options{Prefix: cleanPath(at)})
	if err != nil {
		return nil, err
	}
	out := make([]Difference, 0, len(list))
	for _, c := range list {
		d := Difference{Path: c.Path, Old: c.OldPath, Change: c.Kind.String()}
		if c.Old != nil {
			e := publicEntry(cmpOr(c.OldPath, c.Path), c.Old)
			d.OldEntry, d.Kind = &e, e.Type
		}
		if c.New != nil {
			e := publicEntry(c.Path, c.New)
			d.NewEntry, d.Kind = &e, e.Type
		}
		if c.Old != nil && c.New != nil {
			d.Detail = diff.Detail(c.Old, c.New)
		}
		out = append(out, d)
	}
	return out, nil
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
