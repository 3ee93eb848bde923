package varve

import (
	"io/fs"

	"varve/internal/disk"
	"varve/internal/seal"
)

const (
	derivedFolder = "derived"
	maxDerived    = 64 << 20 // bytes of one thing that was made
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
	return b, err == nil
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
