// Package history knows which moments of a project were kept and why: snapshots, milestones, tags, holds,
// and how people refer to them.
//
// # Bytes
//
// A snapshot is the manifest in its session's commit slot: one JSON object, the fields of [Snapshot] that
// have a name. What was said of it later (milestones, tags, holds) is in the ledger. Its change list is
// stored as pages in the vault (changes.go).
package history

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"time"

	"varve/internal/digest"
	"varve/internal/ledger"
	"varve/internal/object"
	"varve/internal/tree"
	"varve/store"
)

// Failure is a source that could not be kept.
type Failure struct {
	Path  string `json:"path"`
	Error string `json:"error"`
}

// Safety is the Reason of a snapshot that a verb took before it changed the folder.
const Safety = "safety"

// Counts says what a snapshot changed against its parent, in files and links.
type Counts struct {
	Added     int64 `json:"added"`
	Modified  int64 `json:"modified"`
	Removed   int64 `json:"removed"`
	Renamed   int64 `json:"renamed"`
	Unchanged int64 `json:"unchanged"`
}

// Snapshot is one kept state of a project.
type Snapshot struct {
	ID      object.SID `json:"-"`
	Arrived time.Time  `json:"-"` // at the store, by its clock

	Project string            `json:"project"` // 32 hex digits
	Name    string            `json:"name"`    // of the project's folder, for people
	Path    string            `json:"path"`    // where the folder was
	Host    string            `json:"host"`
	User    string            `json:"user,omitempty"`
	Version int               `json:"version"` // 1, 2, … in the project
	Parent  string            `json:"parent,omitempty"`
	Time    time.Time         `json:"time"` // when the snapshot began
	Message string            `json:"message,omitempty"`
	Tags    map[string]string `json:"tags,omitempty"`
	Reason  string            `json:"reason,omitempty"` // "" where people took it, or Safety

	Root    digest.Digest   `json:"-"`
	RootHex string          `json:"root"`
	Tree    tree.Summary    `json:"tree"`
	Counts  Counts          `json:"counts"`
	Changes []string        `json:"changes,omitempty"` // digests of the pages of the change list
	Errors  []Failure       `json:"errors,omitempty"`
	Skipped Skipped         `json:"skipped"`
	Stored  object.Stored   `json:"stored"`
	Seconds float64         `json:"seconds"`
	Copy    *Origin         `json:"copy,omitempty"`  // of what it is a copy; nil where it was taken into this vault
	Extra   json.RawMessage `json:"extra,omitempty"` // of programs that come later
}

// Origin names a snapshot by the vault that it was taken into. A copy of a copy has the same.
type Origin struct {
	Vault    string `json:"vault"`    // 32 hex digits
	Snapshot string `json:"snapshot"` // its id there
}

// Skipped counts what rules left out.
type Skipped struct {
	Files int64 `json:"files"`
	Bytes int64 `json:"bytes"`
}

// Encode returns the manifest of s.
func (s *Snapshot) Encode() ([]byte, error) {
	s.RootHex = s.Root.String()
	return json.Marshal(s)
}

// Decode reads a manifest.
func Decode(id object.SID, b []byte) (*Snapshot, error) {
	s := &Snapshot{ID: id}
	if err := json.Unmarshal(b, s); err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	root, err := digest.Parse(s.RootHex)
	if err != nil {
		return nil, fmt.Errorf("manifest: root: %w", err)
	}
	if _, err := object.ParseSID(s.Project); err != nil || s.Version < 1 {
		return nil, errors.New("manifest: no project or version")
	}
	s.Root = root
	return s, nil
}

// Ref returns how people call the snapshot: v and its number.
func (s *Snapshot) Ref() string { return fmt.Sprintf("v%d", s.Version) }

// A Milestone is a name for a snapshot.
type Milestone struct {
	Name        string
	Project     string
	Snapshot    object.SID
	Type        string
	Annotations map[string]string
	Tags        []string
	Time        time.Time
	Checklist   []Check
	Entity      string // its id in the ledger
}

// Check is a line of a milestone's checklist.
type Check struct {
	Text string `json:"text"`
	Done bool   `json:"done"`
}

// MilestoneTypes are the stages a milestone can stand for.
func MilestoneTypes() []string {
	return []string{"development", "first_playable", "alpha", "beta", "release_candidate", "release", "patch", "hotfix"}
}

// A History is what a vault remembers. It is safe for concurrent use.
type History struct {
	db     *object.DB
	Ledger *ledger.Ledger

	mu      sync.Mutex
	by      map[object.SID]*Snapshot
	damaged map[object.SID]error
	revoked map[object.SID]bool // sessions that were to bring a forgotten snapshot back → whether they did
}

// New returns the history of db.
func New(db *object.DB, l *ledger.Ledger) *History {
	return &History{db: db, Ledger: l, by: map[object.SID]*Snapshot{}, damaged: map[object.SID]error{}, revoked: map[object.SID]bool{}}
}

// Refresh reads the commits and records that are new.
func (h *History) Refresh(ctx context.Context) error {
	return store.Together(h.db.Store(), func() error { return h.Ledger.Refresh(ctx) }, func() error { return h.refresh(ctx) })
}

func (h *History) refresh(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	listed := map[object.SID]bool{}
	known := func(id object.SID) bool { listed[id] = true; return h.by[id] != nil }
	err := h.db.Commits(ctx, known, func(c object.Commit, err error) error {
		if err == nil {
			var s *Snapshot
			if s, err = Decode(c.ID, c.Manifest); err == nil {
				s.Arrived = c.Arrived
				h.by[c.ID] = s
				delete(h.damaged, c.ID)
				return nil
			}
		}
		h.damaged[c.ID] = err
		return nil
	})
	if err != nil {
		return err
	}
	return h.refreshForgotten(ctx, listed)
}

// Find looks for snapshots that no listing has shown, by their names.
func (h *History) Find(ctx context.Context, ids ...object.SID) error {
	for _, id := range ids {
		if h.Has(id) {
			continue
		}
		manifest, err := h.db.Manifest(ctx, id)
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, object.ErrFenced):
			continue
		case errors.Is(err, object.ErrDamaged):
		case err != nil:
			return err
		default:
			if err = h.Add(id, manifest); err == nil {
				continue
			}
		}
		h.mu.Lock()
		h.damaged[id] = err
		h.mu.Unlock()
	}
	return nil
}

// Add takes over a commit that was just made, so that it need not be read back.
func (h *History) Add(id object.SID, manifest []byte) error {
	s, err := Decode(id, manifest)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.by[id] = s
	return nil
}

// Damaged returns the commit slots that could not be read, and why, but for those of which the snapshot is forgotten:
// nothing is needed of them.
func (h *History) Damaged() map[object.SID]error {
	forgotten := h.forgotten()
	h.mu.Lock()
	defer h.mu.Unlock()
	out := make(map[object.SID]error, len(h.damaged))
	for k, v := range h.damaged {
		if !forgotten[k] {
			out[k] = v
		}
	}
	return out
}

// Has reports whether the commit slot of a snapshot is there, if only damaged.
func (h *History) Has(id object.SID) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.by[id] != nil || h.damaged[id] != nil
}

// IDs returns the snapshots whose commit slots are there and whole, in no order. A slot that cannot be read may hold
// the note of a session that was aborted: who takes it for a snapshot would miss one for ever.
func (h *History) IDs() []object.SID {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := make([]object.SID, 0, len(h.by))
	for id := range h.by {
		out = append(out, id)
	}
	return out
}

// Forgotten returns the ids of the snapshots that are no longer listed.
func (h *History) Forgotten() map[string]bool {
	out := map[string]bool{}
	for id := range h.forgotten() {
		out[id.String()] = true
	}
	return out
}

// Snapshots returns the snapshots of a project from oldest to newest; of all projects if project is "".
func (h *History) Snapshots(project string) []*Snapshot {
	forgotten := h.forgotten()
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []*Snapshot
	for _, s := range h.by {
		if (project == "" || s.Project == project) && !forgotten[s.ID] {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b *Snapshot) int {
		return cmp.Or(cmp.Compare(a.Project, b.Project), cmp.Compare(a.Version, b.Version), a.Time.Compare(b.Time), slices.Compare(a.ID[:], b.ID[:]))
	})
	return out
}

// Get returns a snapshot by its id.
func (h *History) Get(id object.SID) (*Snapshot, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s, ok := h.by[id]
	return s, ok
}

// Milestones returns the milestones of a project, oldest first.
func (h *History) Milestones(project string) []Milestone {
	var out []Milestone
	for _, e := range h.Ledger.Entities("milestone") {
		m := Milestone{Name: e.Text("name"), Project: e.Text("project"), Type: e.Text("type"), Tags: e.Members("tags"), Entity: e.ID}
		m.Time = time.UnixMilli(e.First.Milli)
		id, err := object.ParseSID(e.Text("snapshot"))
		if err != nil || project != "" && m.Project != project {
			continue
		}
		m.Snapshot = id
		e.Get("checklist", &m.Checklist)
		for _, f := range e.Fields() {
			if key, ok := cutPrefix(f, "note."); ok {
				if m.Annotations == nil {
					m.Annotations = map[string]string{}
				}
				m.Annotations[key] = e.Text(f)
			}
		}
		out = append(out, m)
	}
	return out
}

func cutPrefix(s, p string) (string, bool) {
	if len(s) > len(p) && s[:len(p)] == p {
		return s[len(p):], true
	}
	return "", false
}

// Tags returns the tags of a snapshot: those it was taken with and those set or removed later.
func (h *History) Tags(s *Snapshot) map[string]string {
	out := map[string]string{}
	for k, v := range s.Tags {
		out[k] = v
	}
	for _, e := range h.Ledger.Entities("snapshot") {
		if e.ID != s.ID.String() {
			continue
		}
		for _, f := range e.Fields() {
			if key, ok := cutPrefix(f, "tag."); ok {
				var v *string
				if e.Get(f, &v); v != nil {
					out[key] = *v
				} else {
					delete(out, key)
				}
			}
		}
	}
	return out
}

// Held returns the reason why a snapshot must be kept, if it is held.
func (h *History) Held(s *Snapshot) (reason string, held bool) {
	for _, e := range h.Ledger.Entities("hold") {
		if e.ID == s.ID.String() {
			return e.Text("reason"), true
		}
	}
	return "", false
}

// Latest returns the newest snapshot of a project that people took, or nil.
func (h *History) Latest(project string) *Snapshot {
	all := h.Snapshots(project)
	if len(all) == 0 {
		return nil
	}
	return all[len(all)-1]
}
