package upkeep

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"varve/internal/digest"
	"varve/internal/history"
	"varve/internal/ledger"
	"varve/internal/object"
	"varve/internal/seal"
)

// Limits of objects that are read whole, in bytes.
const (
	maxClear  = 64 << 10  // in the clear: config, keys
	maxLedger = 256 << 20 // a ledger segment, plain
	maxList   = 4 << 30   // a list of packs or an index segment, plain
)

// get reads a whole object; ok is false if it is not there any more.
func (v *verification) get(name string) (b []byte, ok bool, err error) {
	b, err = v.db.Store().Get(v.ctx, name, 0, -1, nil)
	if absent(err) {
		return nil, false, nil
	}
	return b, err == nil, err
}

// checkConfig compares config with what the vault was opened with.
func (v *verification) checkConfig() error {
	b, ok, err := v.get("config")
	if err != nil {
		return err
	}
	if !ok {
		v.finding(Missing, "config", "it is not there", repairCopy)
		return nil
	}
	var c object.Config
	if len(b) > maxClear || json.Unmarshal(b, &c) != nil {
		v.finding(Damaged, "config", "it is not JSON", repairCopy)
		return nil
	}
	is, err := json.Marshal(c)
	if err != nil {
		return err
	}
	want, err := json.Marshal(v.db.Config())
	if err != nil {
		return err
	}
	if !bytes.Equal(is, want) {
		v.finding(Damaged, "config", "it says other than when the vault was opened", repairCopy)
	}
	return nil
}

// checkKeys looks at every key slot, as far as that needs no passphrase. Without a slot that is whole the vault
// could not be opened again.
func (v *verification) checkKeys() error {
	keys, err := v.db.ListKeys(v.ctx)
	if err != nil {
		return err
	}
	for _, k := range keys {
		if err := k.Err(); err != nil {
			v.finding(Damaged, "keys/"+k.ID, err.Error(), repairKey)
		}
	}
	if len(keys) == 0 {
		v.finding(Missing, "keys/", "there is no key", repairCopy)
	}
	return nil
}

// checkSlots reads every commit slot. A snapshot that the caller knows must have one.
func (v *verification) checkSlots() error {
	there := map[object.SID]bool{}
	err := v.db.Commits(v.ctx, nil, func(c object.Commit, err error) error {
		there[c.ID] = true
		if err == nil {
			_, err = history.Decode(c.ID, c.Manifest)
		}
		if err != nil && v.ctx.Err() == nil && !v.opt.Forgotten[c.ID.String()] {
			v.finding(Damaged, slotName(c.ID), err.Error(), repairCopy)
		}
		return v.ctx.Err()
	})
	if err != nil {
		return err
	}
	for _, s := range v.snapshots {
		if !there[s.ID] {
			v.finding(Missing, slotName(s.ID), "the snapshot is gone", repairCopy)
		}
		if d := v.faults.by[slotName(s.ID)]; d != nil {
			d.touch(s, "")
		}
	}
	return nil
}

func slotName(id object.SID) string { return "snap/" + id.String() }

// checkLedger reads every segment of the ledger.
func (v *verification) checkLedger() error {
	for o, err := range v.db.Store().List(v.ctx, "ledger/") {
		if err != nil {
			return fmt.Errorf("list ledger: %w", err)
		}
		b, ok, err := v.get(o.Name)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		plain, err := v.db.Keys().Open(nil, seal.Ledger, []byte(strings.TrimPrefix(o.Name, "ledger/")), b, maxLedger)
		if err == nil {
			_, err = ledger.Decode(plain)
		}
		if err != nil {
			v.finding(Damaged, o.Name, err.Error(), repairCopy)
		}
	}
	return nil
}

// checkRecords reads every segment of records in bulk. One that is damaged is made good by another object beside it.
func (v *verification) checkRecords() error {
	segs := ledger.NewSegments(v.db)
	all, err := segs.List(v.ctx)
	if err != nil {
		return err
	}
	for _, s := range all {
		_, err := segs.Read(v.ctx, s)
		if v.ctx.Err() != nil {
			return v.ctx.Err()
		}
		switch {
		case err == nil || absent(err):
		case errors.Is(err, object.ErrDamaged), errors.Is(err, seal.ErrDamaged):
			v.finding(Damaged, s.Names[0].Name, err.Error(), repairCopy)
		default:
			return err
		}
	}
	return nil
}

// checkCollections opens the lists of collections under way: writers depend on them.
func (v *verification) checkCollections() error {
	for o, err := range v.db.Store().List(v.ctx, "gc/") {
		if err != nil {
			return fmt.Errorf("list collections: %w", err)
		}
		if word := o.Name[strings.LastIndexByte(o.Name, '/')+1:]; word != "condemn" && word != "verdict" {
			continue
		}
		b, ok, err := v.get(o.Name)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		if _, err := v.db.ParseDoomed(o.Name, b); err != nil {
			v.finding(Damaged, o.Name, err.Error(), repairCopy)
		}
	}
	return nil
}

// checkQuarantine lists the packs that are known to be damaged.
func (v *verification) checkQuarantine() error {
	barred, err := v.db.Quarantined(v.ctx)
	v.barred = map[string]bool{}
	for id := range barred {
		v.barred[packName(id)] = true
	}
	return err
}

// checkChanges reads the change lists of all snapshots.
func (v *verification) checkChanges() error {
	r := v.db.NewReader()
	for _, s := range v.snapshots {
		for _, name := range s.Changes {
			d, err := digest.Parse(name)
			if err != nil {
				v.faults.add(Damaged, slotName(s.ID), err.Error(), repairCopy).touch(s, "")
				continue
			}
			if blame, ok := v.lookup(d, false); !ok {
				v.blamed(blame).touch(s, "")
				continue
			}
			page, err := r.Get(v.ctx, d, nil)
			if err == nil {
				err = history.CheckChanges(page)
			}
			if err != nil {
				if v.ctx.Err() != nil {
					return v.ctx.Err()
				}
				v.faults.add(Damaged, d.String(), "change list: "+err.Error(), repairPack).touch(s, "")
			}
		}
	}
	return nil
}
