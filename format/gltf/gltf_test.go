package gltf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
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

// glb packs a text and bytes.
func glb(text string, data []byte) []byte {
	var t, b, all format.Output
	_, _ = t.Write([]byte(text))
	put(&all, chunkJSON, &t, ' ')
	if data != nil {
		_, _ = b.Write(data)
		put(&all, chunkBIN, &b, 0)
	}
	out := binary.LittleEndian.AppendUint32([]byte("glTF\x02\x00\x00\x00"), uint32(header+all.Size()))
	var w bytes.Buffer
	_, _ = all.WriteTo(&w)
	return append(out, w.Bytes()...)
}

func floats(v ...float32) (out []byte) {
	for _, x := range v {
		out = binary.LittleEndian.AppendUint32(out, math.Float32bits(x))
	}
	return out
}
