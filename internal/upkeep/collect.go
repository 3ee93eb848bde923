package upkeep

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"syscall"
	"time"

	"varve/internal/history"
	"varve/internal/object"
	"varve/internal/pack"
)

// CollectOptions say how to collect. Now and Sleep must be set.
type CollectOptions struct {
	DryRun bool
	// Wait is how long to wait for sessions that are under way; then object.ErrBusy. What was begun, the next collection ends.
	Wait time.Duration
	// Silence is how long a session shows nothing before it is thought dead. It then has to begin again.
	Silence time.Duration
	// Grace is how long a store that does not honour create-if-absent keeps what is condemned.
	Grace    time.Duration
	Who      object.Who         // this process, for the sessions it begins
	Alive    func(pid int) bool // whether a process of this machine is running; nil: not known
	Now      func() time.Time
	Sleep    func(context.Context, time.Duration) error
	Progress func(Progress) // may be nil
	// Known refreshes the history, and is an error if somebody knows of a snapshot that it lacks and nobody forgot. It
	// is called before a verdict; nil: nobody does.
	Known func(context.Context) error
}

// Collection says what a collection freed, or would.
type Collection struct {
	Snapshots int   // forgotten ones that are gone for good now
	Packs     int   // deleted
	Bytes     int64 // freed: of packs deleted, less those written
	Rewritten int   // of Packs, those whose needed objects were copied first
	Written   int64 // bytes of new packs
	Kept      int   // packs that are needed
	Waiting   int   // packs that a store without create-if-absent keeps for the time of grace
}

const (
	// A pack is rewritten if at least this share of its objects, in percent, is needed by nothing; smaller ones
	// when there are several to join.
	deadPercent = 40
	smallPack   = 1 << 20
	smallPacks  = 8
	// rewriteMax bounds what one collection writes anew, in bytes of old packs.
	rewriteMax = 4 << 30
	// doneKept is how many collections are remembered, so that no stale listing brings a deleted pack back.
	doneKept = 16
	attend   = time.Second
)

// Collect deletes the packs and the commit slots that no snapshot needs. Any number of writers and collectors may
// run meanwhile. It refuses with ErrIncomplete where it does not know all that is needed.
func Collect(ctx context.Context, db *object.DB, h *history.History, opt CollectOptions) (*Collection, error) {
	c := &collector{ctx: ctx, db: db, history: h, opt: opt}
	if err := c.run(); err != nil {
		return &c.result, fmt.Errorf("collect: %w", err)
	}
	return &c.result, nil
}

type collector struct {
	ctx     context.Context
	db      *object.DB
	history *history.History
	opt     CollectOptions
	result  Collection
	sizes   map[pack.ID]int64 // of packs, as of the last plan
	scarce  bool              // there is no room to rewrite packs before others are deleted
	stale   map[pack.ID]bool  // packs that the index knows, that are gone, and of which nothing is missed

	met []object.Running // sessions that a listing has shown
}

func (c *collector) run() error {
	if !c.opt.DryRun {
		if err := c.meet(); err != nil {
			return err
		}
		if err := c.finishOthers(); err != nil {
			return err
		}
	}
	for attempt := 1; ; attempt++ {
		m, err := c.mark()
		if err != nil {
			return err
		}
		p, err := c.plan(m)
		if err != nil {
			return err
		}
		if c.opt.DryRun {
			c.forecast(p)
			return nil
		}
		rewritten, err := c.rewrite(m, p)
		switch {
		case absent(err) && attempt < attempts:
			continue // another collector has deleted one of the packs
		case noSpace(err) && !c.scarce:
			c.scarce, rewritten = true, nil
		case err != nil:
			return err
		}
		again := c.scarce && len(p.rewrite) > 0 && len(p.dead) > 0 && attempt < attempts
		if err := c.generation(p.doomed(rewritten), rewritten); err != nil {
			return err
		}
		if !again {
			return c.tidy()
		}
		c.scarce = false // there is room now
	}
}

// mark finds out what is needed. What seems to be missing may have been forgotten and collected by another while it
// was looked for: it is missing only if nothing else has changed meanwhile.
func (c *collector) mark() (*marking, error) {
	var before map[pack.ID]int64
	for attempt := 1; ; attempt++ {
		m, err := c.markOnce()
		if !errors.Is(err, ErrIncomplete) || before != nil && maps.Equal(before, c.db.Sound()) || attempt == attempts {
			return m, err
		}
		before = c.db.Sound()
	}
}

// markOnce lists commits and records before the index: what a commit needs is there before it. Nothing may be
// unknown: a record that cannot be read may be what keeps a snapshot.
func (c *collector) markOnce() (*marking, error) {
	if err := c.history.Refresh(c.ctx); err != nil {
		return nil, err
	}
	for name, err := range c.history.Ledger.Damaged() {
		return nil, fmt.Errorf("%s: %w: %w", name, ErrIncomplete, err)
	}
	for id, err := range c.history.Damaged() {
		return nil, fmt.Errorf("%s: %w: %w", slotName(id), ErrIncomplete, err)
	}
	if err := c.db.Refresh(c.ctx); err != nil {
		return nil, err
	}
	return mark(c.ctx, c.db, c.history.Snapshots(""))
}

// plan is what is to go.
type plan struct {
	dead      []pack.ID // nothing in them is needed
	rewrite   []pack.ID // little in them is
	snapshots []object.SID
	uses      map[pack.ID]*usage
}

func (c *collector) plan(m *marking) (*plan, error) {
	p := &plan{uses: m.usages()}
	c.stale = m.unmissed()
	aside, err := c.db.SetAside(c.ctx)
	if err != nil {
		return nil, err
	}
	for id, size := range aside { // what was needed of them is in sound packs, or marking would have failed
		p.uses[id] = &usage{size: size}
	}
	c.sizes = map[pack.ID]int64{}
	for id, u := range p.uses {
		c.sizes[id] = u.size
	}
	var small []pack.ID
	total := int64(0)
	for id, u := range p.uses {
		switch {
		case u.live == 0:
			p.dead = append(p.dead, id)
		case (u.rows-u.live)*100 >= u.rows*deadPercent && total < rewriteMax:
			p.rewrite = append(p.rewrite, id)
			total += u.size
		case u.size < smallPack:
			small = append(small, id)
		}
	}
	if len(small) >= smallPacks {
		p.rewrite = append(p.rewrite, small...)
	}
	byID := func(a, b pack.ID) int { return slices.Compare(a[:], b[:]) }
	slices.SortFunc(p.dead, byID)
	slices.SortFunc(p.rewrite, byID)
	p.snapshots = c.history.Freeable()
	return p, nil
}

func (p *plan) doomed(rewritten map[pack.ID]bool) object.Doomed {
	d := object.Doomed{Packs: slices.Clone(p.dead), Snapshots: p.snapshots}
	for _, id := range p.rewrite {
		if rewritten[id] {
			d.Packs = append(d.Packs, id)
		}
	}
	return d
}

func (c *collector) forecast(p *plan) {
	r := &c.result
	r.Snapshots, r.Packs, r.Rewritten = len(p.snapshots), len(p.dead)+len(p.rewrite), len(p.rewrite)
	r.Kept = len(p.uses) - r.Packs
	for _, id := range p.dead {
		r.Bytes += p.uses[id].size
	}
	for _, id := range p.rewrite {
		u := p.uses[id]
		written := u.size * int64(u.live) / int64(u.rows)
		r.Written += written
		r.Bytes += u.size - written
	}
}

// rewrite stores what is needed of some packs again, in a session of its own: it must have ended before they are
// condemned. It returns the packs.
func (c *collector) rewrite(m *marking, p *plan) (map[pack.ID]bool, error) {
	if len(p.rewrite) == 0 || c.scarce {
		return nil, nil
	}
	of := map[pack.ID]bool{}
	for _, id := range p.rewrite {
		of[id] = true
	}
	needed := m.needed(of)
	written := int64(0)
	err := c.db.Write(c.ctx, c.opt.Who, func(ctx context.Context, s *object.Session) error {
		w, r := s.Writer(0), c.db.NewReader()
		for _, id := range p.rewrite {
			keep := func(block uint32, place uint16) bool { return needed[id][[2]uint32{block, uint32(place)}] }
			if err := w.CopyPack(ctx, r, id, keep); err != nil {
				return err
			}
			if err := s.Beat(ctx); err != nil {
				return err
			}
		}
		if err := errors.Join(w.Flush(), s.Flush()); err != nil {
			return err
		}
		written = s.Stored().Sealed
		return s.Finish(ctx)
	})
	if errors.Is(err, object.ErrFenced) {
		return nil, nil // another collector thought this one dead: the packs stay as they are
	}
	if err != nil {
		return nil, err
	}
	c.result.Written += written
	c.result.Bytes -= written
	c.result.Rewritten += len(of)
	return of, nil
}

// generation takes doomed through all steps of a collection.
func (c *collector) generation(doomed object.Doomed, rewritten map[pack.ID]bool) error {
	if doomed.Empty() {
		return nil
	}
	n := 0
	err := c.withReserve(func() (err error) { n, err = c.db.Condemn(c.ctx, doomed); return err })
	if err != nil {
		return err
	}
	if c.db.Config().Exclusive {
		c.result.Waiting += len(doomed.Packs)
		return nil // a later collection goes on, when the time of grace is over
	}
	return c.judge(&object.Generation{Number: n, Condemned: doomed})
}

// judge waits for the sessions that may not have seen the condemn list, marks again, decides, and carries it out.
func (c *collector) judge(g *object.Generation) error {
	if g.Verdict == nil {
		if err := c.await(g.Number); err != nil {
			return err
		}
		verdict, err := c.verdict(g)
		if err != nil {
			return err
		}
		counts := verdict
		err = c.withReserve(func() (err error) { counts, err = c.db.Decide(c.ctx, g.Number, verdict); return err })
		if err != nil {
			return err
		}
		g.Verdict = &counts
		if slices.Equal(counts.Packs, verdict.Packs) && slices.Equal(counts.Snapshots, verdict.Snapshots) {
			return c.execute(g)
		}
	}
	if err := c.confirm(g); err != nil {
		return err
	}
	return c.execute(g)
}

// confirm looks whether a verdict by another spares what is needed. One that was reached as it should be does, whenever
// it is looked at; one that was not is the order of somebody who would have others delete what he may not.
func (c *collector) confirm(g *object.Generation) error {
	m, err := c.mark()
	if err != nil {
		return err
	}
	all, err := c.db.Generations(c.ctx)
	if err != nil {
		return err
	}
	doomed, decided := map[pack.ID]bool{}, map[pack.ID]bool{}
	for _, id := range g.Verdict.Packs {
		doomed[id] = true
	}
	for i := range all {
		if all[i].Verdict == nil {
			continue // it will spare what this one takes
		}
		for _, id := range all[i].Verdict.Packs {
			decided[id] = true
		}
	}
	kept := slices.ContainsFunc(m.snapshots, func(s *history.Snapshot) bool { return slices.Contains(g.Verdict.Snapshots, s.ID) })
	if n := len(m.rescue(doomed, decided)); n > 0 || kept {
		return fmt.Errorf("the verdict of collection %d takes %d packs or a snapshot that are needed: %w", g.Number, n, object.ErrDamaged)
	}
	return nil
}

// verdict spares what is needed by now. It does not rely on one listing: commits and records are listed twice, the
// sessions that were waited for are looked up by name, and what others know to be there must be there.
func (c *collector) verdict(g *object.Generation) (object.Doomed, error) {
	known := c.history.Refresh
	if c.opt.Known != nil {
		known = c.opt.Known
	}
	if err := known(c.ctx); err != nil {
		return object.Doomed{}, err
	}
	for _, s := range c.met {
		if err := c.history.Find(c.ctx, s.ID); err != nil {
			return object.Doomed{}, err
		}
	}
	m, err := c.mark()
	if err != nil {
		return object.Doomed{}, err
	}
	condemned, _, err := c.db.Condemned(c.ctx)
	if err != nil {
		return object.Doomed{}, err
	}
	doomed := map[pack.ID]bool{}
	for _, id := range g.Condemned.Packs {
		doomed[id] = true
	}
	spared := m.rescue(doomed, condemned)
	kept := map[object.SID]bool{}
	for _, s := range m.snapshots {
		kept[s.ID] = true
	}
	return object.Doomed{
		Packs:     slices.DeleteFunc(slices.Clone(g.Condemned.Packs), func(id pack.ID) bool { return spared[id] }),
		Snapshots: slices.DeleteFunc(slices.Clone(g.Condemned.Snapshots), func(id object.SID) bool { return kept[id] }),
	}, nil
}

// execute deletes what the verdict says, and then makes the index say no more of it.
func (c *collector) execute(g *object.Generation) error {
	sound := c.db.Sound()
	gone := map[pack.ID]bool{}
	for _, id := range g.Verdict.Packs {
		if err := errors.Join(c.delete(object.PackName(id)), c.delete(object.QuarantineName(id))); err != nil {
			return err
		}
		gone[id] = true
		c.result.Packs++
		c.result.Bytes += cmp.Or(c.sizes[id], sound[id])
	}
	for _, id := range g.Verdict.Snapshots {
		if err := c.deleteSlot(id); err != nil {
			return err
		}
	}
	if err := c.db.Store().Barrier(c.ctx); err != nil {
		return err
	}
	if err := c.mergeIndex(gone); err != nil {
		return err
	}
	return c.withReserve(func() error { return c.db.Close(c.ctx, g.Number) })
}

// mergeIndex makes the index say nothing of packs that are gone.
func (c *collector) mergeIndex(gone map[pack.ID]bool) error {
	var replaced []string
	err := c.withReserve(func() (err error) { replaced, err = c.db.MergeIndex(c.ctx, gone); return err })
	for i := 0; i < len(replaced) && err == nil; i++ {
		err = c.delete(replaced[i])
	}
	return err
}

func (c *collector) delete(name string) error {
	if err := c.db.Store().Delete(c.ctx, name); err != nil && !absent(err) {
		return fmt.Errorf("delete %s: %w", name, err)
	}
	return nil
}

// deleteSlot removes the slot of a forgotten snapshot, unless its session has not left: it might fill the slot again,
// not having heard that it had.
func (c *collector) deleteSlot(id object.SID) error {
	beats, err := c.db.Beats(c.ctx, id)
	if err != nil || len(beats) > 0 {
		return err
	}
	c.result.Snapshots++
	return c.delete(object.SlotName(id))
}

// finishOthers ends the collections that were begun and not ended, by whomever.
func (c *collector) finishOthers() error {
	all, err := c.db.Generations(c.ctx)
	if err != nil {
		return err
	}
	for i := range all {
		g := &all[i]
		if g.Done {
			continue
		}
		if c.db.Config().Exclusive && g.Verdict == nil && (g.Arrived.IsZero() || c.opt.Now().Sub(g.Arrived) < c.opt.Grace) {
			c.result.Waiting += len(g.Condemned.Packs)
			continue
		}
		if err := c.db.Refresh(c.ctx); err != nil {
			return err
		}
		if err := c.judge(g); err != nil {
			return err
		}
	}
	return nil
}

// tidy removes what ended sessions and collections have left, and counts what stays.
func (c *collector) tidy() error {
	left := c.leftovers()
	sessions, err := c.db.Sessions(c.ctx)
	if err != nil {
		return err
	}
	for _, s := range sessions {
		if err := c.tidySession(&s); err != nil {
			return err
		}
	}
	all, err := c.db.Generations(c.ctx)
	if err != nil {
		return err
	}
	// A session that found a pack just before it was deleted may have told of it in its index.
	gone := maps.Clone(c.stale)
	for i := range all {
		if v := all[i].Verdict; v != nil && all[i].Done {
			for _, id := range v.Packs {
				gone[id] = true
			}
		}
	}
	if err := c.mergeIndex(gone); err != nil {
		return err
	}
	// The oldest first, and none that is younger than one under way: their numbers stay without a gap.
	for i := 0; i+doneKept < len(all) && all[i].Done; i++ {
		for _, name := range object.GenerationNames(all[i].Number) {
			if err := c.delete(name); err != nil {
				return err
			}
		}
	}
	c.sweep(left)
	c.result.Kept = len(c.db.Sound())
	return errors.Join(c.refill(), c.db.Store().Barrier(c.ctx))
}

// tidySession removes the registration of a session whose process has ended. Its slot is filled first, so that
// nobody is in doubt whether it may commit.
func (c *collector) tidySession(s *object.Running) error {
	if !c.dead(s) {
		return nil
	}
	if err := c.db.Fence(c.ctx, s.ID, 0); err != nil {
		return err
	}
	names, err := c.db.Beats(c.ctx, s.ID)
	for i := 0; i < len(names) && err == nil; i++ {
		err = c.delete(names[i])
	}
	return err
}

func noSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// withReserve does what needs a little space; if there is none, it gives up the vault's reserve and does it again.
func (c *collector) withReserve(do func() error) error {
	err := do()
	if !noSpace(err) {
		return err
	}
	names, lerr := c.db.Reserves(c.ctx)
	if lerr != nil || len(names) == 0 {
		return errors.Join(err, lerr)
	}
	for _, name := range names {
		if derr := c.delete(name); derr != nil {
			return errors.Join(err, derr)
		}
	}
	if berr := c.db.Store().Barrier(c.ctx); berr != nil {
		return errors.Join(err, berr)
	}
	return do()
}

// refill makes the reserve again. Without space for it the next collection has to do without.
func (c *collector) refill() error {
	names, err := c.db.Reserves(c.ctx)
	if err != nil || len(names) > 0 {
		return err
	}
	if err := c.db.PutReserve(c.ctx); err != nil && !noSpace(err) && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}
