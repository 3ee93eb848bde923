package main

import (
	"errors"
	"strings"
	"testing"

	"varve"
	"varve/internal/disk"
	"varve/store"
)

// TestKitTakenBack: where a file of the kit cannot be written, neither the other one stays nor the key.
func TestKitTakenBack(t *testing.T) {
	e, _, _ := world(t)
	v, err := varve.Create(t.Context(), store.NewMemory(), varve.Options{})
	if err != nil {
		t.Fatal(err)
	}
	full := errors.New("full")
	for _, end := range []string{".txt", ".png"} {
		m := disk.NewMemory(disk.MemoryOptions{})
		d := disk.NewFaulty(m.Root(), func(op disk.Op) error {
			if strings.HasSuffix(op.Path, end) && (op.Kind == disk.OpCreate || op.Kind == disk.OpCreateWhole) {
				return full
			}
			return nil
		}).Root()
		if _, _, err := e.makeKit(t.Context(), v, "there", d, ""); !errors.Is(err, full) {
			t.Errorf("%s: %v", end, err)
		}
		left, err := m.Root().List(nil)
		if err != nil || len(left) > 0 {
			t.Errorf("%s: left %v, %v", end, left, err)
		}
		keys, err := v.Keys(t.Context())
		if err != nil || len(keys) != 1 {
			t.Errorf("%s: keys %+v, %v", end, keys, err)
		}
	}
}
