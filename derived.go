package varve

import (
	"varve/internal/disk"
	"varve/internal/seal"
)

const (
	derivedFolder = "derived"
	maxDerived    = 64 << 20 // bytes of one thing that was made
)

// Derived returns what make makes, remembered in the cache under a name that says what it is made of and how. It is
// sealed with the vault's keys; what cannot be read back is made again.
func (v *Vault) Derived(name string, make func() ([]byte, error)) ([]byte, error) {
	if v.opt.Cache == nil {
		return make()
	}
	id := v.db.Digest([]byte("varve/1 derived " + name)).String()
	d, err := disk.MkdirAll(v.opt.Cache, derivedFolder+"/"+id[:2], 0o700)
	if err != nil {
		return make()
	}
	defer d.Close()
	if sealed, err := disk.ReadFile(d, id, maxDerived+seal.Overhead); err == nil {
		if b, err := v.db.Keys().Open(nil, seal.Cache, []byte(id), sealed, maxDerived); err == nil {
			return b, nil
		}
	}
	b, err := make()
	if err != nil || len(b) > maxDerived {
		return b, err
	}
	sealed, err := v.db.Keys().Seal(nil, seal.Cache, []byte(id), b, v.db.Rand())
	if err == nil {
		err = disk.WriteLoose(d, id, 0o600, sealed)
	}
	if err != nil && v.opt.Warn != nil && !readOnly(err) {
		v.opt.Warn("cache", err) // it will be made again
	}
	return b, nil
}
