package varve

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"varve/internal/disk"
	"varve/internal/history"
	"varve/internal/object"
	"varve/internal/upkeep"
)

// ErrOtherVault says that a vault is no copy of the one that is repaired.
var ErrOtherVault = errors.New("it is another vault and has no snapshot of this one")

// RepairOptions say how to repair.
type RepairOptions struct {
	// Dry finds out what could be done and does nothing.
	Dry bool
	// From is another copy of the same vault, or a vault that snapshots of it were copied to, or from.
	From *Vault
	// Folders are the folders of projects that have moved since their last snapshot, by the projects' ids. The others
	// are looked for where they were.
	Folders map[string]disk.Dir
}

// Outcome is what became of a finding: whether it is healed, and in Repair what was done.
type Outcome = upkeep.Outcome

// RepairReport is what a repair found and did.
type RepairReport struct {
	OK          bool // nothing remains
	Objects     int64
	Bytes       int64
	Stored      int64 // objects stored again
	Quarantined int   // packs
	Outcomes    []Outcome
	Brought     int // snapshots that were gone and are kept again, by other ids
}

// Repair reads every byte of the vault and stores again, in new packs, what is damaged and can be had: by parity, from
// another pack, from another copy of the vault, from the folders of the projects. What cannot be had counts as new from
// then on, so that the next snapshot of a folder which has it keeps it. Nothing is deleted. From a second copy also
// those snapshots are brought back that are gone.
func (v *Vault) Repair(ctx context.Context, o RepairOptions) (*RepairReport, error) {
	if err := v.history.Refresh(ctx); err != nil {
		return nil, err
	}
	src := &sources{v: v, folders: o.Folders, opened: map[string]disk.Dir{}}
	defer src.close()
	opt := upkeep.RepairOptions{Options: v.checking("repair"), Dry: o.Dry, Source: src.read,
		Who: object.Who{Host: v.opt.Host, Boot: v.opt.Boot, PID: v.opt.PID, Started: v.opt.Now()}}
	var second *healing
	switch {
	case o.From == nil:
	case o.From.db.Vault() != v.db.Vault():
		var err error
		if second, err = v.healing(ctx, o.From); err != nil {
			return nil, err
		}
	case o.From.db.Keys().ID != v.db.Keys().ID:
		return nil, fmt.Errorf("vault %s: %w", o.From.ID(), ErrOtherVault)
	default:
		opt.Copy = o.From.db
	}
	r, err := upkeep.Repair(ctx, v.db, v.history.Snapshots(""), opt)
	if err != nil {
		return nil, err
	}
	out := &RepairReport{Objects: r.Objects, Bytes: r.Bytes, Stored: r.Stored, Quarantined: r.Quarantined, Outcomes: r.Outcomes}
	if second != nil {
		if err := second.heal(ctx, out, o.Dry); err != nil {
			return nil, fmt.Errorf("repair from vault %s: %w", o.From.ID(), err)
		}
	}
	out.OK = !slices.ContainsFunc(out.Outcomes, func(o Outcome) bool { return !o.Healed })
	return out, nil
}

// sources are the folders of projects, opened when they are needed.
type sources struct {
	v       *Vault
	folders map[string]disk.Dir
	opened  map[string]disk.Dir // by project and path; nil where there is none
}

// read reads what a file of a snapshot has, or had, at an offset.
func (s *sources) read(snap *history.Snapshot, at string, off, n int64) ([]byte, error) {
	d := s.folder(snap)
	if d == nil || n < 0 || n > maxSource {
		return nil, fs.ErrNotExist
	}
	if dir := path.Dir(at); dir != "." {
		sub, err := disk.Walk(d, dir)
		if err != nil {
			return nil, err
		}
		defer sub.Close()
		d = sub
	}
	f, err := d.Open(path.Base(at))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b := make([]byte, n)
	_, err = f.ReadAt(b, off)
	return b, err
}

const maxSource = 16 << 20 // bytes of a chunk

// folder returns the folder of a snapshot's project; nil if it is not there.
func (s *sources) folder(snap *history.Snapshot) disk.Dir {
	if d := s.folders[snap.Project]; d != nil {
		return d
	}
	key := snap.Project + snap.Path
	if d, before := s.opened[key]; before {
		return d
	}
	s.opened[key] = nil
	if snap.Path == "" || snap.Host != s.v.opt.Host {
		return nil
	}
	d, err := disk.Open(snap.Path)
	if err != nil {
		return nil
	}
	// The path is what a manifest says. Only a folder that says so itself is the project's: else whoever can write a
	// manifest could have any file of this machine looked at, and see by what is healed whether it has certain bytes.
	if id, err := ReadProjectID(d); err != nil || id != snap.Project {
		_ = d.Close() // nothing was read
		return nil
	}
	// Whatever is there now, only bytes of the right digest count.
	s.opened[key] = d
	return d
}

func (s *sources) close() {
	for _, d := range s.opened {
		if d != nil {
			_ = d.Close() // it was only read
		}
	}
}
