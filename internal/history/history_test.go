package history

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"varve/internal/digest"
	"varve/internal/ledger"
	"varve/internal/object"
	"varve/internal/seal"
	"varve/store"
)

// FuzzDecode: nothing panics; what decodes has a root, a project and a version, and is the same again after it
// was encoded.
func FuzzDecode(f *testing.F) {
	full := &Snapshot{Project: project, Name: "game", Path: "/p", Host: "h", Version: 3, Parent: strings.Repeat("1", 32), Time: time.Unix(5, 6).UTC(),
		Tags: map[string]string{"a": "b"}, Root: digest.Digest{1}, Changes: []string{"x"}, Errors: []Failure{{"a", "b"}}, Extra: []byte(`{"k":[1]}`)}
	b, err := full.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte("{}"))
	f.Add([]byte(`{"project":"` + project + `","version":1,"root":"` + strings.Repeat("0", 64) + `","extra":null}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		id := object.SID{7}
		s, err := Decode(id, b)
		if err != nil {
			if s != nil {
				t.Error("an error and a snapshot")
			}
			return
		}
		if _, err := object.ParseSID(s.Project); err != nil || s.Version < 1 || s.ID != id || s.Root.String() != strings.ToLower(s.RootHex) {
			t.Fatalf("%+v", s)
		}
		once, err := s.Encode()
		if err != nil {
			t.Fatal(err)
		}
		back, err := Decode(id, once)
		if err != nil {
			t.Fatal(err)
		}
		if twice, err := back.Encode(); err != nil || !bytes.Equal(once, twice) {
			t.Errorf("%s became %s: %v", once, twice, err)
		}
	})
}

func TestDecodeRefuses(t *testing.T) {
	good := `{"project":"` + project + `","version":1,"root":"` + strings.Repeat("0", 64) + `"}`
	if _, err := Decode(object.SID{}, []byte(good)); err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]string{
		"no JSON": "x", "no root": strings.Replace(good, "root", "boot", 1), "short root": strings.Replace(good, "00", "0", 1),
		"no version": strings.Replace(good, "1,", "0,", 1), "no project": strings.Replace(good, project, "", 1), "cut": good[:len(good)-1],
	} {
		if s, err := Decode(object.SID{}, []byte(bad)); err == nil {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

// vaultOf is a vault in memory with a history.
func vaultOf(t *testing.T) (*object.DB, *History) {
	t.Helper()
	opt := object.Options{Rand: rand.NewChaCha8([32]byte{6}), Now: func() time.Time { return time.UnixMilli(1) }}
	db, err := object.Create(t.Context(), store.NewMemory(), false, opt)
	if err != nil {
		t.Fatal(err)
	}
	return db, New(db, ledger.New(db, "w"))
}

func commit(t *testing.T, db *object.DB, manifest []byte) object.SID {
	t.Helper()
	var id object.SID
	err := db.Write(t.Context(), object.Who{}, func(ctx context.Context, s *object.Session) error {
		id = s.ID
		return s.Commit(ctx, manifest)
	})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func manifest(t *testing.T, s Snapshot) []byte {
	t.Helper()
	b, err := s.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestRefresh: a commit that cannot be read is told with its reason and hides no other.
func TestRefresh(t *testing.T) {
	db, h := vaultOf(t)
	one := commit(t, db, manifest(t, Snapshot{Project: project, Version: 1}))
	junk := commit(t, db, []byte("{}"))
	rotten := commit(t, db, manifest(t, Snapshot{Project: project, Version: 3}))
	name := "snap/" + rotten.String()
	b, err := db.Store().Get(t.Context(), name, 0, -1, nil)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-1] ^= 1
	if err := db.Store().Delete(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	if err := db.Store().Put(t.Context(), name, b); err != nil {
		t.Fatal(err)
	}
	two := commit(t, db, manifest(t, Snapshot{Project: project, Version: 2}))
	if err := h.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	all := h.Snapshots(project)
	if len(all) != 2 || all[0].ID != one || all[1].ID != two || h.Latest(project) != all[1] {
		t.Errorf("snapshots %+v", all)
	}
	damaged := h.Damaged()
	if len(damaged) != 2 || damaged[junk] == nil || !errors.Is(damaged[rotten], object.ErrDamaged) {
		t.Errorf("damaged %v", damaged)
	}
	if !h.Has(rotten) || len(h.IDs()) != 2 {
		t.Errorf("a slot that cannot be read counts as there, and as nothing to be missed: %v", h.IDs())
	}
	if s, ok := h.Get(one); !ok || s != all[0] {
		t.Error("Get does not have it")
	}
	if _, ok := h.Get(junk); ok {
		t.Error("Get has what is damaged")
	}
}

// TestFind: what no listing shows is found by its name, and what is no snapshot is none.
func TestFind(t *testing.T) {
	db, h := vaultOf(t)
	one := commit(t, db, manifest(t, Snapshot{Project: project, Version: 1}))
	junk := commit(t, db, []byte("{}"))
	aborted := object.SID{1}
	if err := db.Fence(t.Context(), aborted, 1); err != nil {
		t.Fatal(err)
	}
	if err := h.Find(t.Context(), one, junk, aborted, object.SID{2}); err != nil {
		t.Fatal(err)
	}
	if all := h.Snapshots(project); len(all) != 1 || all[0].ID != one {
		t.Errorf("snapshots %+v", all)
	}
	if h.Has(aborted) || h.Has(object.SID{2}) || h.Damaged()[junk] == nil {
		t.Errorf("damaged %v", h.Damaged())
	}
}

// TestDoubtfulRevoker: while nobody can read whether a session has brought a snapshot back, it is not forgotten, and
// nothing may be taken for known.
func TestDoubtfulRevoker(t *testing.T) {
	db, h := vaultOf(t)
	one := commit(t, db, manifest(t, Snapshot{Project: project, Version: 1}))
	if err := h.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	snap, _ := h.Get(one)
	by := object.SID{3}
	if err := h.Ledger.Append(t.Context(), ForgetRecord(snap), RevokeRecord(one, by)); err != nil {
		t.Fatal(err)
	}
	listed := func() int {
		fresh := New(db, ledger.New(db, "fresh"))
		if err := fresh.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(fresh.Snapshots(project)) > 0 && fresh.Damaged()[by] == nil {
			t.Error("nothing says that it is in doubt")
		}
		return len(fresh.Snapshots(project))
	}
	if n := listed(); n != 0 {
		t.Errorf("%d snapshots of which one is forgotten", n)
	}
	if err := db.Store().Put(t.Context(), "snap/"+by.String(), []byte("unreadable")); err != nil {
		t.Fatal(err)
	}
	if n := listed(); n != 1 {
		t.Errorf("%d snapshots, of which one may have been brought back", n)
	}
}

// TestOrder: by project, number, time, id; a project alone, or all; those forgotten left out.
func TestOrder(t *testing.T) {
	db, h := vaultOf(t)
	other := strings.Repeat("f", 32)
	at := time.Unix(100, 0)
	commit(t, db, manifest(t, Snapshot{Project: other, Version: 1}))
	commit(t, db, manifest(t, Snapshot{Project: project, Version: 2, Time: at.Add(1)}))
	commit(t, db, manifest(t, Snapshot{Project: project, Version: 2, Time: at}))
	commit(t, db, manifest(t, Snapshot{Project: project, Version: 1, Time: at.Add(9)}))
	gone := commit(t, db, manifest(t, Snapshot{Project: project, Version: 3}))
	if err := h.Ledger.Append(t.Context(), ledger.Record{Type: "forget", ID: gone.String()}); err != nil {
		t.Fatal(err)
	}
	if err := h.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	var got []time.Time
	for _, s := range h.Snapshots(project) {
		got = append(got, s.Time.Local())
	}
	if want := []time.Time{at.Add(9), at, at.Add(1)}; !reflect.DeepEqual(got, want) {
		t.Errorf("order %v, want %v", got, want)
	}
	if all := h.Snapshots(""); len(all) != 4 || all[3].Project != other {
		t.Errorf("%d of all projects", len(all))
	}
	if h.Latest(strings.Repeat("e", 32)) != nil {
		t.Error("a latest of nothing")
	}
}

// TestRevoked: a forgotten snapshot is back when the session that brings it back has finished, and not before.
func TestRevoked(t *testing.T) {
	db, h := vaultOf(t)
	id := commit(t, db, manifest(t, Snapshot{Project: project, Version: 1}))
	there := func() int {
		t.Helper()
		again := New(db, ledger.New(db, "other"))
		if err := errors.Join(h.Refresh(t.Context()), again.Refresh(t.Context())); err != nil {
			t.Fatal(err)
		}
		n := len(h.Snapshots(project))
		if m := len(again.Snapshots(project)); m != n {
			t.Errorf("%d for one, %d for another", n, m)
		}
		return n
	}
	if n := there(); n != 1 {
		t.Fatalf("%d snapshots", n)
	}
	for _, finishes := range []bool{false, true} {
		s, _ := h.Get(id)
		if err := h.Ledger.Append(t.Context(), ForgetRecord(s)); err != nil {
			t.Fatal(err)
		}
		err := db.Write(t.Context(), object.Who{}, func(ctx context.Context, s *object.Session) error {
			if err := h.Ledger.Append(ctx, RevokeRecord(id, s.ID)); err != nil {
				return err
			}
			if n := there(); n != 0 {
				t.Error("back before the session has finished")
			}
			if !finishes {
				return nil
			}
			return s.Finish(ctx)
		})
		if n := there(); err != nil || (n == 1) != finishes {
			t.Errorf("the session finishes %v: %d snapshots, %v", finishes, n, err)
		}
	}
}

// TestMarks: milestones, tags and holds are those of the ledger on top of what the snapshot says itself.
func TestMarks(t *testing.T) {
	db, h := vaultOf(t)
	id := commit(t, db, manifest(t, Snapshot{Project: project, Version: 1, Tags: map[string]string{"a": "1", "b": "2", "c": "3"}}))
	free := commit(t, db, manifest(t, Snapshot{Project: project, Version: 2}))
	v := ledger.Value
	records := []ledger.Record{
		{Type: "snapshot", ID: id.String(), Set: map[string]ledger.Raw{"tag.a": v("new"), "tag.b": ledger.Raw("null"), "tag.d": v(""), "note": v("no tag")}},
		{Type: "milestone", ID: "m", Set: map[string]ledger.Raw{"name": v("alpha"), "project": v(project), "snapshot": v(id.String()), "type": v("alpha"),
			"note.why": v("because"), "checklist": v([]Check{{"it runs", true}})}, Add: map[string][]string{"tags": {"y", "x"}}},
		{Type: "milestone", ID: "lame", Set: map[string]ledger.Raw{"name": v("of nothing"), "project": v(project)}},
		{Type: "milestone", ID: "else", Set: map[string]ledger.Raw{"name": v("other"), "project": v(strings.Repeat("f", 32)), "snapshot": v(id.String())}},
		{Type: "hold", ID: id.String(), Set: map[string]ledger.Raw{"reason": v("court")}},
		{Type: "hold", ID: free.String(), Gone: true},
	}
	if err := h.Ledger.Append(t.Context(), records...); err != nil {
		t.Fatal(err)
	}
	if err := h.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	s, _ := h.Get(id)
	if got, want := h.Tags(s), map[string]string{"a": "new", "c": "3", "d": ""}; !reflect.DeepEqual(got, want) {
		t.Errorf("tags %v, want %v", got, want)
	}
	want := []Milestone{{Name: "alpha", Project: project, Snapshot: id, Type: "alpha", Annotations: map[string]string{"why": "because"},
		Tags: []string{"x", "y"}, Time: time.UnixMilli(1), Checklist: []Check{{"it runs", true}}, Entity: "m"}}
	if got := h.Milestones(project); !reflect.DeepEqual(got, want) {
		t.Errorf("milestones %+v, want %+v", got, want)
	}
	if got := h.Milestones(""); len(got) != 2 {
		t.Errorf("%d milestones of all projects", len(got))
	}
	if reason, held := h.Held(s); !held || reason != "court" {
		t.Errorf("held %v, %q", held, reason)
	}
	other, _ := h.Get(free)
	if _, held := h.Held(other); held {
		t.Error("what was freed is held")
	}
}

// TestRefreshDamagedRecord: a record that cannot be read leaves the snapshots readable and is told.
func TestRefreshDamagedRecord(t *testing.T) {
	db, h := vaultOf(t)
	commit(t, db, manifest(t, Snapshot{Project: project, Version: 1}))
	name := "ledger/" + strings.Repeat("0", 32)
	if err := db.Store().Put(t.Context(), name, []byte("junk")); err != nil {
		t.Fatal(err)
	}
	if err := h.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(h.Snapshots(project)) != 1 || !errors.Is(h.Ledger.Damaged()[name], seal.ErrDamaged) {
		t.Errorf("%d snapshots, damaged %v", len(h.Snapshots(project)), h.Ledger.Damaged())
	}
}
