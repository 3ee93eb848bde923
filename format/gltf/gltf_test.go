package gltf

import (
	"errors"
	"strings"
	"testing"

	"varve/format"
	"varve/format/formattest"
)

// refused are samples that are not whole, and why.
func refused(name string) error {
	for part, why := range map[string]error{
		"RecursiveNodes/":       format.ErrMalformed, // each of two nodes is in the other
		"IncorrectVertexArrays": format.ErrMalformed, // a view beyond its buffer
		"badUint":               format.ErrMalformed, // a texture of -1
		"crlf-damaged":          format.ErrMalformed, // a byte is gone
		"assimp-v1/":            format.ErrUnsupported,
	} {
		if strings.Contains(name, part) {
			return why
		}
	}
	return nil
}

func TestSamples(t *testing.T) {
	whole := map[string][]byte{}
	for name, b := range formattest.Files(t, "gltf", ".gltf", ".glb") {
		why := refused(name)
		if why == nil {
			whole[name] = b
			continue
		}
		if err := format.Validate(t.Context(), Format{}, format.Bytes(b)); !errors.Is(err, why) {
			t.Errorf("%s: %v, not %v", name, err, why)
		}
	}
	formattest.Run(t, Format{}, whole)
}
