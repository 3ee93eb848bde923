package fbx

import (
	"errors"
	"strings"
	"testing"

	"varve/format"
	"varve/format/formattest"
)

func samples(t testing.TB) map[string][]byte {
	out := formattest.Files(t, "fbx", ".fbx")
	for name := range out {
		if strings.HasPrefix(name, "ufbx-fuzz/") || strings.HasPrefix(name, "assimp-crlf-damaged/") {
			delete(out, name)
		}
	}
	return out
}

// TestValidate: all good files pass, down to version 3; what was cut or lost a byte does not.
func TestValidate(t *testing.T) {
	for name, b := range samples(t) {
		if err := format.Validate(t.Context(), Format{}, format.Bytes(b)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, n := range []int{len(b) / 2, len(b) - 1, len(b) - 20, len(b) - 160, len(b) * 9 / 10} {
			if strings.HasPrefix(string(b), ";") && n > len(b)-200 {
				continue
			}
			if err := format.Validate(t.Context(), Format{}, format.Bytes(b[:n])); !errors.Is(err, format.ErrMalformed) {
				t.Errorf("%s: %d of %d bytes: %v", name, n, len(b), err)
			}
		}
	}
	b := formattest.Sample(t, "fbx/assimp-crlf-damaged/spider.damaged.fbx")
	if err := format.Validate(t.Context(), Format{}, format.Bytes(b)); !errors.Is(err, format.ErrMalformed) {
		t.Error(err)
	}
}

// old are files of versions of which only the structure is known.
func old(name string) bool {
	return strings.Contains(name, "_3000_") || strings.Contains(name, "_5000_") || strings.Contains(name, "_5800_")
}

func TestContract(t *testing.T) {
	files := samples(t)
	for name := range files {
		if old(name) {
			delete(files, name)
		}
	}
	formattest.Run(t, Format{}, files)
}
