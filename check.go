package varve

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"iter"
	"os"
	"path"
	"time"

	"varve/internal/disk"
	"varve/internal/history"
	"varve/internal/ledger"
	"varve/internal/tree"
	"varve/internal/upkeep"
)

// VerifyOptions say what to check.
type VerifyOptions struct {
	Snapshots []*Snapshot   // nil: all
	Data      bool          // read every byte; else the head and the directory of every pack
	Structure bool          // not even those, but the index and the trees
	Budget    time.Duration // stop after so long; 0: go on to the end
}

// Finding is something wrong in a vault.
type Finding = upkeep.Finding

// VerifyReport is what a check found.
type VerifyReport struct {
	OK       bool // nothing was found, though perhaps not everything was looked at
	Objects  int64
	Bytes    int64
	Complete bool
	Findings []Finding
}

// Verify checks the vault: that everything the snapshots need is there and, with Data, that every byte of
// it is right.
func (v *Vault) Verify(ctx context.Context, o VerifyOptions) (*VerifyReport, error) {
	snapshots := o.Snapshots
	if snapshots == nil {
		if err := v.history.Refresh(ctx); err != nil {
			return nil, err
		}
		snapshots = v.history.Snapshots("")
	}
	opt := v.checking("verify")
	opt.Data, opt.Structure, opt.Budget, opt.Last = o.Data, o.Structure && !o.Data, o.Budget, v.readings()
	r, err := upkeep.Verify(ctx, v.db, snapshots, opt)
	if err != nil {
		return nil, err
	}
	v.noteReadings(ctx, r.Read)
	if o.Snapshots == nil {
		lost, err := v.Rollback(ctx)
		if err != nil {
			return nil, err
		}
		r.Findings = append(r.Findings, lost.findings()...)
	}
	out := &VerifyReport{OK: len(r.Findings) == 0, Objects: r.Objects, Bytes: r.Bytes, Complete: r.Complete, Findings: r.Findings}
	if out.OK && out.Complete && o.Data && o.Snapshots == nil {
		// That it cannot be noted, in a vault that is read only, takes nothing from the check.
		err := v.history.Ledger.Append(ctx, ledger.Record{Type: "verified", ID: "data", Set: fieldsOf(map[string]any{"bytes": r.Bytes})})
		if err != nil && v.opt.Warn != nil && ctx.Err() == nil {
			v.opt.Warn("verified", err)
		}
	}
	return out, nil
}

// checking are the options of a check for a verb.
func (v *Vault) checking(verb string) upkeep.Options {
	opt := upkeep.Options{Workers: v.opt.Workers, Now: v.opt.Now, Forgotten: v.history.Forgotten()}
	if v.opt.Progress != nil {
		opt.Progress = func(c upkeep.Progress) {
			v.opt.Progress(Event{Verb: verb, Files: int64(c.Packs), TotalFiles: int64(c.AllPacks), Bytes: c.Bytes, TotalBytes: c.AllBytes})
		}
	}
	return opt
}

// LastVerified returns when every byte of the vault was last found right.
func (v *Vault) LastVerified() (time.Time, bool) {
	for _, e := range v.history.Ledger.Entities("verified") {
		if e.ID == "data" {
			return time.UnixMilli(e.Last.Milli), true
		}
	}
	return time.Time{}, false
}

// ManifestFile is a file of a snapshot.
type ManifestFile struct {
	Path     string
	SHA256   string
	Size     int64
	Modified time.Time
}

// Manifest yields every regular file of a snapshot with its SHA-256, in the order of their paths. Where
// the vault keeps no SHA-256 the file is read.
func (p *Project) Manifest(ctx context.Context, s *Snapshot) iter.Seq2[ManifestFile, error] {
	return func(yield func(ManifestFile, error) bool) {
		get := p.v.getter()
		stop := errors.New("stop")
		err := everything(ctx, get, s.Root, func(at string, _, e *tree.Entry) error {
			if e.Type != disk.Regular {
				return nil
			}
			f := ManifestFile{Path: at, Size: e.Size, Modified: time.Unix(0, e.Mtime)}
			sum, ok := e.Sum()
			if !ok {
				h := sha256.New()
				if err := writeContent(ctx, get, e, h); err != nil {
					return fmt.Errorf("%s: %w", at, err)
				}
				h.Sum(sum[:0])
			}
			f.SHA256 = hex.EncodeToString(sum[:])
			if !yield(f, nil) {
				return stop
			}
			return nil
		})
		if err != nil && !errors.Is(err, stop) {
			yield(ManifestFile{}, err)
		}
	}
}

// CheckManifest compares the files of a folder with a snapshot by reading them: what is missing, what is extra, and
// what differs. It trusts nothing but the SHA-256 of what it reads.
func (p *Project) CheckManifest(ctx context.Context, s *Snapshot, dir string) ([]Difference, error) {
	d, err := disk.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	var out []Difference
	for f, err := range p.Manifest(ctx, s) {
		if err != nil {
			return out, err
		}
		if err := ctx.Err(); err != nil {
			return out, err
		}
		diff := Difference{Path: f.Path, Kind: "file", Change: history.Modified.String()}
		sum, size, err := sumFile(d, f.Path)
		switch {
		case errors.Is(err, os.ErrNotExist):
			diff.Change, diff.Detail = history.Removed.String(), "missing"
		case err != nil:
			diff.Detail = err.Error()
		case size != f.Size:
			diff.Detail = fmt.Sprintf("%d bytes instead of %d", size, f.Size)
		case sum != f.SHA256:
			diff.Detail = "SHA-256 is " + sum
		default:
			continue
		}
		out = append(out, diff)
	}
	extra, err := p.extra(ctx, s, d, dir)
	return append(out, extra...), err
}

// extra lists what is in a folder, and not left out of snapshots by a rule, but not in the snapshot.
func (p *Project) extra(ctx context.Context, s *Snapshot, d disk.Dir, at string) ([]Difference, error) {
	known := map[string]bool{}
	err := everything(ctx, p.v.getter(), s.Root, func(at string, _, e *tree.Entry) error {
		if e.Type != disk.Directory {
			known[at] = true
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	st := &Status{}
	if err := (&Project{v: p.v, dir: d, id: p.id, path: at}).listNew(ctx, p.IgnoreSettings(), st); err != nil {
		return nil, err
	}
	if len(st.Errors) > 0 {
		return nil, &PartialError{Failures: st.Errors}
	}
	var out []Difference
	for _, at := range st.Added {
		if !known[at] {
			out = append(out, Difference{Path: at, Kind: "file", Change: history.Added.String(), Detail: "not in " + s.Ref()})
		}
	}
	return out, nil
}

// sumFile returns the SHA-256 and size of a file below d.
func sumFile(d disk.Dir, at string) (string, int64, error) {
	if dir := path.Dir(at); dir != "." {
		sub, err := disk.Walk(d, dir)
		if err != nil {
			return "", 0, err
		}
		defer sub.Close()
		d = sub
	}
	f, err := d.Open(path.Base(at))
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	h := sha256.New()
	n, err := copyAll(h, f)
	return hex.EncodeToString(h.Sum(nil)), n, err
}

func copyAll(h hash.Hash, f disk.File) (int64, error) {
	return io.CopyBuffer(struct{ io.Writer }{h}, struct{ io.Reader }{f}, make([]byte, 1<<20))
}
