package varve

import (
	"cmp"
	"errors"
	"io/fs"
	"slices"
	"time"

	"varve/internal/disk"
	"varve/internal/seal"
)

const (
	derivedFolder = "derived"
	maxDerived    = 64 << 20 // bytes of one thing that was made
	// maxShelf bounds what lies in each of the 256 folders, in bytes: what was not asked for longest goes first.
	maxShelf = 8 << 20
	// derivedDay is how exact the time is that something was last asked for.
	derivedDay = 24 * time.Hour
)

// Recollect returns what the cache has under a name, which says what it was made of and how. What cannot be read back
// is not there.
func (v *Vault) Recollect(name string) ([]byte, bool) {
	d, id, err := v.derivedAt(name)
	if err != nil {
		return nil, false
	}
	defer d.Close()
	sealed, err := disk.ReadFile(d, id, maxDerived+seal.Overhead)
	if err != nil {
		return nil, false
	}
	b, err := v.db.Keys().Open(nil, seal.Cache, []byte(id), sealed, maxDerived)
	if err != nil {
		return nil, false
	}
	if info, err := d.Stat(id); err == nil && v.opt.Now().UnixNano()-info.Mtime > int64(derivedDay) {
		_ = setMtime(d, id, v.opt.Now()) // else it goes earlier than it should
	}
	return b, true
}

// Remember puts what can be made again into the cache under a name, in place of what is there, sealed with the vault's
// keys. That it cannot is no failure.
func (v *Vault) Remember(name string, b []byte) {
	d, id, err := v.derivedAt(name)
	if err != nil || len(b) > maxDerived {
		return
	}
	defer d.Close()
	sealed, err := v.db.Keys().Seal(nil, seal.Cache, []byte(id), b, v.db.Rand())
	if err == nil {
		err = disk.WriteLoose(d, id, 0o600, sealed)
	}
	if err == nil && id[2] == '0' { // one of sixteen times is often enough
		err = trimDerived(d, id)
	}
	if err != nil && v.opt.Warn != nil && !readOnly(err) {
		v.opt.Warn("cache", err)
	}
}

// derivedAt returns the folder and the file of a name.
func (v *Vault) derivedAt(name string) (disk.Dir, string, error) {
	if v.opt.Cache == nil {
		return nil, "", fs.ErrNotExist
	}
	id := v.db.Digest([]byte("varve/1 derived " + name)).String()
	d, err := disk.MkdirAll(v.opt.Cache, derivedFolder+"/"+id[:2], 0o700)
	return d, id, err
}

// trimDerived removes the oldest of a folder until it holds no more than maxShelf, but never what was just put there.
func trimDerived(d disk.Dir, just string) error {
	all, err := d.List(nil)
	if err != nil {
		return err
	}
	size := int64(0)
	for i := range all {
		size += all[i].Size
	}
	slices.SortFunc(all, func(a, b disk.Entry) int { return cmp.Compare(a.Mtime, b.Mtime) })
	for i := 0; i < len(all) && size > maxShelf; i++ {
		if all[i].Name == just || all[i].Type != disk.Regular {
			continue
		}
		if err := d.Remove(all[i].Name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		size -= all[i].Size
	}
	return nil
}
