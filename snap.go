package varve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"varve/format"
	"varve/internal/capture"
	"varve/internal/disk"
	"varve/internal/history"
	"varve/internal/object"
	"varve/internal/scan"
	"varve/internal/seal"
	"varve/store"
)

// SnapOptions say how a snapshot is taken.
type SnapOptions struct {
	Message string
	Tags    map[string]string
	Ignore  IgnoreSettings
	Best    bool // compress harder
	// IfChanged takes no snapshot if the folder is as the last one has it, and returns that.
	IfChanged bool
	reason    string
}

// Snap takes a snapshot of the project. Some files may not have been readable: they are in Errors, and
// everything else is kept.
func (p *Project) Snap(ctx context.Context, o SnapOptions) (*Snapshot, error) {
	for {
		s, err := p.snap(ctx, o)
		if errors.Is(err, ErrFenced) {
			continue // a collection took the session for dead, for the machine slept; what survived is shared again
		}
		if err != nil {
			return s, err
		}
		p.v.mergeIndex(ctx)
		if o.reason != "" {
			return s, nil
		}
		if _, err := p.Thin(ctx); err != nil && p.v.opt.Warn != nil {
			p.v.opt.Warn("keep", err) // the snapshot is taken
		}
		return s, nil
	}
}

func (p *Project) snap(ctx context.Context, o SnapOptions) (*Snapshot, error) {
	began := p.v.opt.Now()
	var snap *Snapshot
	err := p.v.db.Write(ctx, p.v.who(), func(ctx context.Context, s *object.Session) error {
		// The last snapshot was looked up after the session was registered: what it refers to cannot be
		// collected from there on.
		latest := p.v.history.Latest(p.ID())
		stat, whole, release := p.openCache(ctx, latest)
		defer release()
		opt, err := p.captureOptions(ctx, latest, stat, whole, o.Ignore, func() int64 { return s.Stored().Sealed }, s.Beat)
		if err != nil {
			return err
		}
		if o.Best {
			opt.Level = seal.Better
		}
		if dot, err := p.dir.OpenDir(dotDir); err == nil {
			opt.Scratch = dot
			defer dot.Close()
		}
		res, err := capture.Run(ctx, p.v.db, s, opt)
		if err != nil {
			return err
		}
		if o.IfChanged && latest != nil && res.Root == latest.Root && len(res.Errors) == 0 {
			snap = latest
			return nil
		}
		// Another machine may have taken a snapshot meanwhile, and its number.
		err = store.Together(p.v.store(), s.Flush, func() error { return p.v.history.Refresh(ctx) })
		if err != nil {
			return err
		}
		if err := p.adopt(latest == nil); err != nil && !readOnly(err) {
			return err
		}
		snap = p.describe(o, res, latest, began)
		snap.ID = s.ID
		snap.Stored = s.Stored()
		snap.Seconds = p.v.opt.Now().Sub(began).Seconds()
		p.number(snap)
		manifest, err := snap.Encode()
		if err != nil {
			return err
		}
		if err := s.Commit(ctx, manifest); err != nil {
			return err
		}
		return store.Together(p.v.store(), func() error {
			// That the packs cannot be listed again costs the cache, not the snapshot.
			if res.Cache != nil && p.v.db.Refresh(ctx) == nil {
				p.saveCache(res.Cache(p.cacheKey(), p.v.db.Packs()))
			}
			return nil
		}, func() error {
			p.v.list(ctx, s, snap.ID)
			return p.v.history.Add(s.ID, manifest)
		}, func() error {
			s.Leave()
			return nil
		})
	}, func() error { return p.v.history.Refresh(ctx) })
	if err != nil {
		return nil, err
	}
	p.v.lookBack(ctx)
	p.holdGood(ctx, snap)
	return snap, nil
}

// holdGood holds the last snapshot that has a file whole which seems half saved in s. That it cannot takes nothing from
// the snapshot.
func (p *Project) holdGood(ctx context.Context, s *Snapshot) {
	before := p.before(s)
	if s.Tree.Doubtful == 0 || before == nil {
		return
	}
	for c, err := range s.ReadChanges(ctx, p.v.getter()) {
		if err != nil {
			return
		}
		if c.Kind != history.Modified {
			continue
		}
		now, nerr := p.Stat(ctx, s, c.Path)
		was, werr := p.Stat(ctx, before, c.Path)
		if nerr != nil || werr != nil || !slices.Contains(now.Flags, "suspect") || slices.Contains(was.Flags, "suspect") {
			continue
		}
		if p.v.opt.Warn != nil {
			p.v.opt.Warn(c.Path, fmt.Errorf("it seems half saved or damaged; it is kept as it is, and %s, which has it whole, is held", before.Ref()))
		}
		reason := fmt.Sprintf("has %s whole, which seems half saved in %s", c.Path, s.Ref())
		if _, held := p.Held(before); held {
			continue
		}
		if err := p.v.history.Ledger.Append(ctx, p.holdRecord(before, &reason)...); err != nil && p.v.opt.Warn != nil {
			p.v.opt.Warn("hold", err)
		}
	}
}

// before returns the snapshot that s was taken after; nil if it is the first, or that is gone.
func (p *Project) before(s *Snapshot) *Snapshot {
	for _, o := range p.Snapshots() {
		if o.ID.String() == s.Parent {
			return o
		}
	}
	return nil
}

// number gives the snapshot the next free number.
func (p *Project) number(s *Snapshot) {
	s.Version = p.v.history.LastVersion(p.ID()) + 1
}

func (p *Project) captureOptions(ctx context.Context, latest *Snapshot, stat *scan.Cache, whole bool, ig IgnoreSettings, stored func() int64, beat func(context.Context) error) (capture.Options, error) {
	rules, files, _, err := p.rules(ig)
	if err != nil {
		return capture.Options{}, err
	}
	opt := capture.Options{Root: p.dir, Beat: beat, Parent: latest, Cache: stat, Whole: whole, Rules: rules, Files: files, Skip: p.skip,
		SHA256: p.v.db.Config().SHA256, Workers: p.v.opt.Workers, Level: seal.Fast, Now: p.v.opt.Now, Sleep: p.v.opt.Sleep, Granularity: granularity(p.dir)}
	if latest != nil {
		opt.Workers = p.v.readers // of the last version of what changed
	}
	if formats := p.v.opt.Formats; len(formats) > 0 {
		opt.Regions = func(name string, r io.ReaderAt, size int64) []capture.Region {
			var out []capture.Region
			for _, g := range formats.Regions(name, r, size) {
				out = append(out, capture.Region{Off: g.Off, Len: g.Len, Width: g.Width, Name: g.Name})
			}
			return out
		}
		opt.Half = func(name string, r io.ReaderAt, size int64) error {
			in := io.NewSectionReader(r, 0, size)
			known, err := formats.Find(name, in)
			if known == nil || err != nil {
				return nil // what cannot be read is not for a format to say
			}
			if err := format.Validate(ctx, known, in); errors.Is(err, format.ErrMalformed) {
				return err
			}
			return nil
		}
	}
	if p.v.opt.Progress != nil {
		opt.Progress = func(c capture.Progress) {
			e := Event{Verb: "snap", Files: c.Files, Bytes: c.Bytes, Read: c.ReadSize, Stored: stored(), Errors: c.Errors}
			if latest != nil {
				e.TotalFiles, e.TotalBytes = int64(latest.Tree.Files), int64(latest.Tree.Bytes)
			}
			p.v.opt.Progress(e)
		}
	}
	return opt, nil
}

// granularity is how far apart two changes of a file must be for its times to differ.
func granularity(d disk.Dir) time.Duration {
	if k, ok := d.(disk.Kind); ok {
		name, err := k.FileSystem()
		switch name {
		case "vfat", "exfat", "nfs", "cifs", "smb", "fuse":
			return 3 * time.Second
		}
		if err == nil {
			return 50 * time.Millisecond
		}
	}
	return 100 * time.Millisecond
}

func (p *Project) describe(o SnapOptions, res *capture.Result, latest *Snapshot, began time.Time) *Snapshot {
	s := &Snapshot{Project: p.ID(), Name: p.Name(), Path: p.path, Host: p.v.opt.Host, User: p.v.opt.User, Version: 1,
		Time: began, Message: o.Message, Tags: o.Tags, Reason: o.reason,
		Root: res.Root, Tree: res.Summary, Counts: res.Counts, Changes: res.Changes, Errors: res.Errors, Skipped: res.Skipped}
	if latest != nil {
		s.Version, s.Parent = latest.Version+1, latest.ID.String()
	}
	return s
}

func readOnly(err error) bool {
	return errors.Is(err, errReadOnly) || errors.Is(err, errPermission)
}

// Resolve finds the snapshot of the project that ref names.
func (p *Project) Resolve(ref string) (*Snapshot, error) {
	return p.v.history.Resolve(p.ID(), ref, p.v.opt.Now())
}

// Snapshots returns the project's snapshots, oldest first.
func (p *Project) Snapshots() []*Snapshot { return p.v.history.Snapshots(p.ID()) }

// Latest returns the newest snapshot, or nil.
func (p *Project) Latest() *Snapshot { return p.v.history.Latest(p.ID()) }
