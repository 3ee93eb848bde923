package usd

import (
	"bytes"
	"encoding/binary"

	"varve/format"
)

const crateMagic = "PXR-USDC"

// section is a part of a binary layer.
type section struct {
	name        string
	start, size int64
}

// crateSections reads the directory of a binary layer.
func crateSections(b []byte) ([]section, error) {
	if len(b) < 88 {
		return nil, format.Malformed("%d bytes of a binary layer", len(b))
	}
	at := binary.LittleEndian.Uint64(b[16:])
	if at > uint64(len(b))-8 {
		return nil, format.Malformed("the directory is at %d of %d bytes", at, len(b))
	}
	n := binary.LittleEndian.Uint64(b[at:])
	dir := b[at+8:]
	if n > uint64(len(dir))/32 || n > 64 {
		return nil, format.Malformed("%d sections", n)
	}
	var out []section
	for ; n > 0; n, dir = n-1, dir[32:] {
		s := section{string(bytes.TrimRight(dir[:16], "\x00")), int64(binary.LittleEndian.Uint64(dir[16:])), int64(binary.LittleEndian.Uint64(dir[24:]))}
		if s.start < 0 || s.size < 0 || s.start > int64(len(b)) || s.size > int64(len(b))-s.start {
			return nil, format.Malformed("section %.16q is %d bytes at %d of %d", s.name, s.size, s.start, len(b))
		}
		out = append(out, s)
	}
	return out, nil
}

// crateTokens returns the words of a binary layer, and checks its sections.
func crateTokens(b []byte) ([]string, error) {
	list, err := crateSections(b)
	if err != nil {
		return nil, err
	}
	have := map[string]section{}
	for _, s := range list {
		have[s.name] = s
	}
	for _, name := range []string{"TOKENS", "STRINGS", "FIELDS", "FIELDSETS", "PATHS", "SPECS"} {
		if _, ok := have[name]; !ok {
			return nil, format.Malformed("no section %s", name)
		}
	}
	s := b[have["TOKENS"].start:][:have["TOKENS"].size]
	if len(s) < 16 {
		return nil, format.Malformed("%d bytes of words", len(s))
	}
	n := binary.LittleEndian.Uint64(s)
	var text []byte
	if v := b[8:11]; v[0] == 0 && v[1] < 4 { // versions before 0.4.0 do not compress
		size := binary.LittleEndian.Uint64(s[8:])
		if size > uint64(len(s)-16) {
			return nil, format.Malformed("%d bytes of words", size)
		}
		text = s[16:][:size]
	} else {
		if len(s) < 24 {
			return nil, format.Malformed("%d bytes of words", len(s))
		}
		size, packed := binary.LittleEndian.Uint64(s[8:]), binary.LittleEndian.Uint64(s[16:])
		if packed > uint64(len(s)-24) || size > 1<<30 {
			return nil, format.Malformed("%d bytes of words in %d", size, packed)
		}
		if text, err = unpackChunks(s[24:][:packed], int(size)); err != nil {
			return nil, err
		}
	}
	if n > uint64(len(text)) {
		return nil, format.Malformed("%d words in %d bytes", n, len(text))
	}
	out := make([]string, 0, n)
	for ; n > 0; n-- {
		k := bytes.IndexByte(text, 0)
		if k < 0 {
			return nil, format.Malformed("words end early")
		}
		out = append(out, string(text[:k]))
		text = text[k+1:]
	}
	return out, nil
}

// unpackChunks decompresses: a count of chunks, 0 for one without a length, then LZ4 blocks.
func unpackChunks(b []byte, size int) ([]byte, error) {
	if len(b) < 1 {
		return nil, format.Malformed("nothing is compressed")
	}
	n := int(b[0])
	b = b[1:]
	if n == 0 {
		return lz4(nil, b, size)
	}
	var out []byte
	for range n {
		if len(b) < 4 {
			return nil, format.Malformed("a chunk ends early")
		}
		k := binary.LittleEndian.Uint32(b)
		if uint64(k) > uint64(len(b)-4) {
			return nil, format.Malformed("a chunk of %d bytes", k)
		}
		var err error
		if out, err = lz4(out, b[4:4+k], size); err != nil {
			return nil, err
		}
		b = b[4+k:]
	}
	return out, nil
}

// lz4 appends what a block decompresses to; out is never longer than max. What one chunk refers to is in itself.
func lz4(out, b []byte, max int) ([]byte, error) {
	base := len(out)
	length := func(n int) (int, bool) {
		if n < 15 {
			return n, true
		}
		for {
			if len(b) == 0 || n > max {
				return 0, false
			}
			c := int(b[0])
			b = b[1:]
			if n += c; c < 255 {
				return n, true
			}
		}
	}
	for len(b) > 0 {
		c := b[0]
		b = b[1:]
		n, ok := length(int(c >> 4))
		if !ok || n > len(b) || n > max-len(out) {
			return nil, format.Malformed("compressed bytes end early")
		}
		out = append(out, b[:n]...)
		if b = b[n:]; len(b) == 0 {
			return out, nil
		}
		if len(b) < 2 {
			return nil, format.Malformed("compressed bytes end early")
		}
		back := int(binary.LittleEndian.Uint16(b))
		b = b[2:]
		n, ok = length(int(c & 15))
		n += 4
		if !ok || back == 0 || back > len(out)-base || n > max-len(out) {
			return nil, format.Malformed("compressed bytes refer to what is not there")
		}
		for range n {
			out = append(out, out[len(out)-back])
		}
	}
	return out, nil
}

// withTokens returns a binary layer with other words: they, and a directory with their place, are put at its end, for
// places in the layer are counted from its beginning.
func withTokens(in format.Input, b []byte, words []string) (*format.Output, error) {
	list, err := crateSections(b)
	if err != nil {
		return nil, err
	}
	var text []byte
	for _, w := range words {
		text = append(append(text, w...), 0)
	}
	section := binary.LittleEndian.AppendUint64(nil, uint64(len(words)))
	section = binary.LittleEndian.AppendUint64(section, uint64(len(text)))
	if v := b[8:11]; v[0] == 0 && v[1] < 4 {
		section = append(section, text...)
	} else {
		packed := literals(text)
		section = binary.LittleEndian.AppendUint64(section, uint64(len(packed)))
		section = append(section, packed...)
	}
	at := (len(b) + 7) &^ 7
	end := (at + len(section) + 7) &^ 7
	directory := binary.LittleEndian.AppendUint64(nil, uint64(len(list)))
	for _, s := range list {
		if s.name == "TOKENS" {
			s.start, s.size = int64(at), int64(len(section))
		}
		var name [16]byte
		copy(name[:], s.name)
		directory = append(directory, name[:]...)
		directory = binary.LittleEndian.AppendUint64(directory, uint64(s.start))
		directory = binary.LittleEndian.AppendUint64(directory, uint64(s.size))
	}
	out := new(format.Output)
	out.Span(in, 0, 16)
	_, _ = out.Write(binary.LittleEndian.AppendUint64(nil, uint64(end)))
	out.Span(in, 24, int64(len(b))-24)
	_, _ = out.Write(make([]byte, at-len(b)))
	_, _ = out.Write(section)
	_, _ = out.Write(make([]byte, end-at-len(section)))
	_, _ = out.Write(directory)
	return out, nil
}

// literals packs a text as one chunk of LZ4 without matches: it is some names, which are not worth more.
func literals(text []byte) []byte {
	out := make([]byte, 0, len(text)+len(text)/255+8)
	out = append(out, 0) // one chunk, without a length
	if len(text) < 15 {
		return append(append(out, byte(len(text))<<4), text...)
	}
	out = append(out, 15<<4)
	n := len(text) - 15
	for ; n >= 255; n -= 255 {
		out = append(out, 255)
	}
	return append(append(out, byte(n)), text...)
}
