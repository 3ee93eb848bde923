// Package upkeep checks a vault and makes good what is damaged.
//
// [Verify] promises: if its report has no findings and is complete, then every byte that the given snapshots
// need is in the store, is what was written, and makes sense; with Options.Data every byte of every pack was
// read from the store and opened, and every chunk has its digest. It changes nothing and believes nothing that
// was read before it began. Damage is reported once, with the paths and the snapshots that it touches.
//
// [Repair] promises: it deletes nothing and changes nothing that is there; what it says is healed can be had from
// packs that are sound and durable; what is lost counts as new for the next snapshot that has it.
//
// What Verify cannot know: a snapshot or a ledger segment that vanished without a trace, unless the caller
// remembers the snapshot: package catalog does. Packs that nothing refers to are what a session leaves that ended without a
// commit, and no finding.
package upkeep

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"varve/internal/history"
)

// Kind says what is wrong with an object.
type Kind string

// The kinds of findings.
const (
	Damaged   Kind = "damaged"   // it is not what was written
	Missing   Kind = "missing"   // it is not there
	Disagrees Kind = "disagrees" // it is whole and says other than what it speaks of
)

// What may be done about a finding.
const (
	repairPack  = "varve repair makes it good, as far as parity, other copies or the project's folder have it"
	repairCopy  = "put the object back from another copy of the vault"
	repairIndex = "varve repair; the index is made again from the packs until then"
	repairKey   = "another key opens the vault: add a new key and remove this one"
)

// Finding is one thing that is wrong.
type Finding struct {
	Kind      Kind
	Object    string   // name in the store, or digest of what is in no pack
	Path      string   // the first of Paths; "" if no file is touched
	Paths     []string // paths touched in any snapshot, in order
	Snapshots []string // snapshots touched: name of the project, "@", version
	Detail    string   // what was found
	Repair    string
}

// Report says what was checked and found.
type Report struct {
	Objects  int64 // chunks and pages: whose digest was checked with Data, whose place was without
	Bytes    int64 // read from packs and authenticated
	Findings []Finding
	Complete bool       // false if the budget was spent before all packs were read
	Read     [][16]byte // packs that were read from end to end and found right
}

// Ok reports whether nothing was found.
func (r *Report) Ok() bool { return len(r.Findings) == 0 }

// Progress counts what a check has done so far.
type Progress struct {
	Packs, AllPacks int
	Bytes, AllBytes int64
}

// Options say how to check.
type Options struct {
	Data bool // read every pack from front to back
	// Structure opens no pack but those that the index does not know: where it says that an object is, and the listing
	// that the pack is there in its length, that is believed. Not with Data.
	Structure bool
	Budget    time.Duration // with Data: begin no further pack when it is spent; 0: no limit
	// Last says when each pack was last found right: those that were not for longest are read first.
	Last map[[16]byte]time.Time
	// Forgotten are the ids of snapshots of which nothing is needed: that their commit slots are damaged is no finding.
	Forgotten map[string]bool
	Now       func() time.Time
	Workers   int            // packs read at once; at least 1
	Progress  func(Progress) // may be nil; called from several goroutines
}

// Label is how a finding names a snapshot.
func Label(s *history.Snapshot) string {
	return cmp.Or(s.Name, s.Project) + "@" + s.Ref()
}

// damage is a finding being made.
type damage struct {
	Finding
	paths     map[string]bool
	snapshots map[string]int // label → order
}

// faults collects findings under the name of their object. It is not safe for concurrent use.
type faults struct{ by map[string]*damage }

func (f *faults) add(kind Kind, object, detail, repair string) *damage {
	d := f.by[object]
	if d == nil {
		d = &damage{Finding: Finding{Kind: kind, Object: object, Detail: detail, Repair: repair},
			paths: map[string]bool{}, snapshots: map[string]int{}}
		if f.by == nil {
			f.by = map[string]*damage{}
		}
		f.by[object] = d
	} else if !strings.Contains(d.Detail, detail) {
		d.Detail += "; " + detail
	}
	return d
}

// touch notes what a damage touches.
func (d *damage) touch(s *history.Snapshot, path string) {
	if l := Label(s); d.snapshots[l] == 0 {
		d.snapshots[l] = len(d.snapshots) + 1
	}
	if path != "" {
		d.paths[path] = true
	}
}

// list returns the findings in the order of their objects.
func (f *faults) list() []Finding {
	var out []Finding
	for _, d := range f.by {
		x := d.Finding
		for p := range d.paths {
			x.Paths = append(x.Paths, p)
		}
		slices.Sort(x.Paths)
		if len(x.Paths) > 0 {
			x.Path = x.Paths[0]
		}
		for s := range d.snapshots {
			x.Snapshots = append(x.Snapshots, s)
		}
		slices.SortFunc(x.Snapshots, func(a, b string) int { return cmp.Compare(d.snapshots[a], d.snapshots[b]) })
		out = append(out, x)
	}
	slices.SortFunc(out, func(a, b Finding) int { return strings.Compare(a.Object, b.Object) })
	return out
}
