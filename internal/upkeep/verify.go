package upkeep

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"varve/internal/digest"
	"varve/internal/history"
	"varve/internal/index"
	"varve/internal/object"
	"varve/internal/pack"
)

// attempts is how often a check with findings, or a collection, is done again because packs or index changed meanwhile.
const attempts = 4

// Verify checks the vault and the snapshots. What is wrong with the vault is a finding; an error says
// that the check itself could not be done. Sessions and collections may run meanwhile.
func Verify(ctx context.Context, db *object.DB, snapshots []*history.Snapshot, opt Options) (*Report, error) {
	v, err := check(ctx, db, snapshots, opt)
	if err != nil {
		return nil, fmt.Errorf("verify: %w", err)
	}
	return v.report(), nil
}

func (v *verification) report() *Report {
	return &Report{Objects: v.objects, Bytes: v.bytes, Findings: v.faults.list(), Complete: v.complete, Read: v.read}
}

// check returns a verification that was run.
func check(ctx context.Context, db *object.DB, snapshots []*history.Snapshot, opt Options) (*verification, error) {
	opt.Workers = max(opt.Workers, 1)
	if opt.Now == nil {
		opt.Budget = 0
	}
	began := time.Time{}
	if opt.Budget > 0 {
		began = opt.Now()
	}
	for try := 1; ; try++ {
		v := &verification{ctx: ctx, db: db, opt: opt, began: began, snapshots: snapshots}
		if err := v.run(); err != nil {
			return nil, err
		}
		if len(v.faults.by) > 0 && try < attempts {
			// A collection may have moved what seemed to be missing.
			same, err := v.unchanged()
			if err != nil {
				return nil, err
			}
			if !same {
				continue
			}
		}
		return v, v.forgive()
	}
}

// verification is one run.
type verification struct {
	ctx       context.Context
	db        *object.DB
	opt       Options
	began     time.Time
	snapshots []*history.Snapshot

	segments []*segment
	listed   map[string]int64       // packs by name, and their sizes
	absent   []pack.ID              // packs that the index knows and that are not listed
	segNames map[string]bool        // index segments that were listed
	packs    map[pack.ID]*packState // packs that are listed or that the index knows
	barred   map[string]bool        // names of packs in quarantine
	set      *index.Set             // of what segments say and, of packs in none, the directories
	unknown  *index.Segment         // the latter alone; nil if there are none
	deltas   map[pack.ID][]deltaRef // the deltas of each pack, until their bases were looked up
	blame    map[index.Place]string // entries that cannot be made → the object to blame
	allBytes int64

	mu       sync.Mutex // of everything below, while packs are read
	faults   faults
	extra    *index.Writer
	objects  int64
	bytes    int64
	done     int
	complete bool
	read     [][16]byte // packs that are right from end to end
}

// packState is what is known of a pack.
type packState struct {
	size int64 // as listed; -1: not there
	bad  bool  // nothing in it can be had
	// unjudged: it is of a format that this program does not read, or may not be read now. It is a finding, and no
	// reason to give the pack up.
	unjudged bool
	// blocks are those that cannot be had.
	blocks map[uint32]bool
}

type deltaRef struct {
	place index.Place
	bases []digest.Digest
}

func (v *verification) run() error {
	if err := v.db.Refresh(v.ctx); err != nil {
		return err
	}
	v.complete = true
	for _, step := range []func() error{v.checkConfig, v.checkKeys, v.checkSlots, v.checkLedger, v.checkRecords, v.checkCollections,
		v.checkQuarantine, v.checkIndex, v.listPacks, v.readPacks, v.checkBases, v.checkChanges, v.checkTrees} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// forgive takes back what is known and harms nothing: that a pack in quarantine is damaged is a finding only while
// something needs it, and that one is gone which the index knows only while something of it is missed.
func (v *verification) forgive() error {
	for name, d := range v.faults.by {
		if v.barred[name] && len(d.snapshots) == 0 {
			delete(v.faults.by, name)
		}
	}
	if len(v.absent) == 0 {
		return nil
	}
	m, err := mark(v.ctx, v.db, v.snapshots)
	if errors.Is(err, ErrIncomplete) {
		return nil // what is needed is not known
	}
	if err != nil {
		return err
	}
	unmissed := m.unmissed()
	for _, id := range v.absent {
		if d := v.faults.by[packName(id)]; d != nil && unmissed[id] && len(d.snapshots) == 0 {
			delete(v.faults.by, packName(id))
		}
	}
	return nil
}

// unchanged reports whether the packs and segments are still those that the run began with.
func (v *verification) unchanged() (bool, error) {
	n := 0
	for o, err := range v.db.Store().List(v.ctx, "index/") {
		if err != nil {
			return false, err
		}
		if !v.segNames[o.Name] {
			return false, nil
		}
		n++
	}
	m := 0
	for o, err := range v.db.Store().List(v.ctx, "packs/") {
		if err != nil {
			return false, err
		}
		if _, ok := v.listed[o.Name]; !ok {
			return false, nil
		}
		m++
	}
	return n == len(v.segNames) && m == len(v.listed), nil
}

// finding notes damage while packs are read by several goroutines.
func (v *verification) finding(kind Kind, object, detail, repair string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.faults.add(kind, object, detail, repair)
}

// fault returns the name of what keeps the object at a place from being had, "" if nothing does.
func (v *verification) fault(p *index.Place) string {
	st := v.packs[pack.ID(p.Pack)]
	if st == nil || st.size < 0 || st.bad || st.blocks[p.Block] {
		return packName(pack.ID(p.Pack))
	}
	return v.blame[*p]
}

// lookup tells whether d can be had from any place, and otherwise what to blame: a pack, or d itself if it
// is in none; of packs rather one that is not in quarantine. whole leaves out what is stored as a delta.
func (v *verification) lookup(d digest.Digest, whole bool) (blame string, ok bool) {
	var buf [4]index.Place
	for _, p := range v.set.Lookup(d, buf[:0]) {
		if whole && p.Flags&index.Delta != 0 {
			continue
		}
		b := v.fault(&p)
		if b == "" {
			return "", true
		}
		if blame == "" || v.barred[blame] && !v.barred[b] {
			blame = b
		}
	}
	if blame == "" {
		blame = d.String()
	}
	return blame, false
}

// blamed returns the damage of the object that lookup blamed.
func (v *verification) blamed(name string) *damage {
	if d := v.faults.by[name]; d != nil {
		return d
	}
	return v.faults.add(Missing, name, "it is in no pack", repairPack)
}

// absent reports whether an error of the store says that an object is not there.
func absent(err error) bool { return errors.Is(err, fs.ErrNotExist) }

func packName(id pack.ID) string { s := id.String(); return "packs/" + s[:2] + "/" + s }
