package usd

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	"varve/format"
	"varve/format/formattest"
)

// crate is a binary layer of nothing but words.
func crate(minor byte, words ...string) []byte {
	le := binary.LittleEndian
	b := append([]byte(crateMagic), 0, minor, 0, 0, 0, 0, 0, 0)
	b = append(b, make([]byte, 88-len(b))...)
	text := []byte(strings.Join(words, "\x00") + "\x00")
	tokens := le.AppendUint64(le.AppendUint64(nil, uint64(len(words))), uint64(len(text)))
	if minor < 4 {
		tokens = append(tokens, text...)
	} else {
		packed := literals(text)
		tokens = append(le.AppendUint64(tokens, uint64(len(packed))), packed...)
	}
	names := []string{"TOKENS", "STRINGS", "FIELDS", "FIELDSETS", "PATHS", "SPECS"}
	directory := le.AppendUint64(nil, uint64(len(names)))
	for i, name := range names {
		data := []byte(name + " data")
		if i == 0 {
			data = tokens
		}
		directory = append(append(directory, name...), make([]byte, 16-len(name))...)
		directory = le.AppendUint64(le.AppendUint64(directory, uint64(len(b))), uint64(len(data)))
		b = append(b, data...)
	}
	le.PutUint64(b[16:], uint64(len(b)))
	return append(b, directory...)
}

// sectionsOf returns the bytes of all sections but the words.
func sectionsOf(t *testing.T, b []byte) string {
	t.Helper()
	list, err := crateSections(b)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, s := range list {
		if s.name != "TOKENS" {
			out = append(out, s.name, string(b[s.start:s.start+s.size]))
		}
	}
	return strings.Join(out, "\n")
}

// TestBinaryRewrite: words change, however long; what else there is stays, at its place.
func TestBinaryRewrite(t *testing.T) {
	files := map[string][]byte{}
	for _, minor := range []byte{1, 7, 8} {
		files[string('0'+minor)] = crate(minor, "World", "./tex/wood.png", "faceVertexIndices", "geo.usd:SDF_FORMAT_ARGS:a=1", strings.Repeat("long", 300)+".exr")
	}
	paths := map[string]string{"./tex/wood.png": "./" + strings.Repeat("deep/", 60) + "a b.png", "geo.usd": "g.usd", "World": "x.png"}
	for name, b := range files {
		out, err := format.Rewrite(t.Context(), Format{}, format.Bytes(b), paths)
		if err != nil {
			t.Fatal(name, err)
		}
		got := formattest.All(t, out)
		words, err := crateTokens(got)
		want := []string{"World", paths["./tex/wood.png"], "faceVertexIndices", "g.usd:SDF_FORMAT_ARGS:a=1", strings.Repeat("long", 300) + ".exr"}
		if err != nil || !slices.Equal(words, want) {
			t.Errorf("%s: %.80q, %v", name, words, err)
		}
		if sectionsOf(t, got) != sectionsOf(t, b) || string(got[:16]) != string(b[:16]) || string(got[24:len(b)]) != string(b[24:]) {
			t.Errorf("%s: other bytes change", name)
		}
		if err := format.Validate(t.Context(), Format{}, format.Bytes(got)); err != nil {
			t.Error(name, err)
		}
		same, err := format.Rewrite(t.Context(), Format{}, format.Bytes(b), map[string]string{"World": "x.png"})
		if err != nil || string(formattest.All(t, same)) != string(b) {
			t.Errorf("%s: no reference changes, and the file does: %v", name, err)
		}
		for _, bad := range []string{"", "a@b.png", "noending", "a\x00.png"} {
			var refusal *format.Refusal
			if _, err := format.Rewrite(t.Context(), Format{}, format.Bytes(b), map[string]string{"geo.usd": bad}); !errors.As(err, &refusal) {
				t.Errorf("%s: %q: %v", name, bad, err)
			}
		}
	}
}

func TestLiterals(t *testing.T) {
	for _, n := range []int{0, 1, 14, 15, 16, 269, 270, 271, 70000} {
		text := []byte(strings.Repeat("x", n))
		got, err := unpackChunks(literals(text), n)
		if string(got) != string(text) || err != nil {
			t.Errorf("%d: %d bytes, %v", n, len(got), err)
		}
	}
}
