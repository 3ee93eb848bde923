package psd

import (
	"crypto/sha256"
	"slices"
)

// linked is a smart object's file: in the document, or a path to where it is.
type linked struct {
	uuid     string
	kind     string // liFD: its bytes are here; liFE: elsewhere; liFA: an alias
	name     string
	fileType string
	block    int  // of the document
	all      span // with its length and padding
	data     span // of the file, in liFD
	link     span // of the descriptor with its version, in liFE

	moved int64 // how much longer what took its place is
}

const maxLinked = 1 << 16

// isLinked reports whether a block holds smart objects' files.
func isLinked(key string) bool {
	return key == "lnk2" || key == "lnk3" || key == "lnkD" || key == "lnkE"
}

// linkedFiles returns the files of smart objects.
func (d *document) linkedFiles() ([]linked, error) {
	var out []linked
	for i, b := range d.blocks {
		if !isLinked(b.key) {
			continue
		}
		s := &scan{in: d.in, at: b.data.off, end: b.data.end(), what: b.key}
		for s.left() >= 16 && s.err == nil {
			l := readLinked(s)
			l.block = i
			if len(out) == maxLinked {
				s.fail("more than %d files", maxLinked)
			}
			out = append(out, l)
		}
		if s.err != nil {
			return nil, s.err
		}
	}
	return out, nil
}

func readLinked(s *scan) linked {
	l := linked{all: span{off: s.at}}
	n := s.length(true)
	end := s.at + n
	in := &scan{in: s.in, at: s.at, end: end, what: s.what, err: s.err}
	l.kind = in.key()
	in.u32() // version
	l.uuid = in.pascal(1)
	l.name = in.unicode()
	l.fileType = in.key()
	in.skip(4)
	size := in.length8()
	if in.u8() != 0 {
		in.descriptor() // how to open it
	}
	switch l.kind {
	case "liFE":
		l.link.off = in.at
		in.descriptor()
		l.link.n = in.at - l.link.off
	case "liFD":
		if size > uint64(in.left()) {
			in.fail("a file of %d bytes, %d left", size, in.left())
			break
		}
		l.data = span{in.at, int64(size)}
	}
	if s.err = in.err; s.err == nil {
		s.skip(n)
		s.skip(min(-n&3, s.left()))
	}
	l.all.n = s.at - l.all.off
	return l
}

// length8 reads 8 bytes, of any value.
func (s *scan) length8() uint64 {
	hi := uint64(s.u32())
	return hi<<32 | uint64(s.u32())
}

// external returns the descriptor of where a file is.
func (d *document) external(l *linked) (*value, error) {
	b, err := d.load(l.link, maxDescriptor)
	if err != nil {
		return nil, err
	}
	s := over(b, "link")
	v := s.descriptor()
	return v, s.err
}

// named is a thing that layers need by its id: a pattern.
type named struct {
	id    string
	block int
	all   span
}

// patterns returns those of the document.
func (d *document) patterns() ([]named, error) {
	var out []named
	for i, b := range d.blocks {
		if b.key != "Patt" && b.key != "Pat2" && b.key != "Pat3" {
			continue
		}
		s := &scan{in: d.in, at: b.data.off, end: b.data.end(), what: b.key}
		for s.left() >= 16 && s.err == nil {
			p := named{block: i, all: span{off: s.at}}
			n := s.length(false)
			in := &scan{in: s.in, at: s.at, end: s.at + n, what: b.key, err: s.err}
			in.skip(4 + 4 + 4) // version, mode, size
			in.unicode()
			p.id = in.pascal(1)
			if s.err = in.err; s.err == nil {
				s.skip(n)
				s.skip(min(-n&3, s.left()))
			}
			p.all.n = s.at - p.all.off
			if len(out) == maxLinked {
				s.fail("more than %d patterns", maxLinked)
			}
			out = append(out, p)
		}
		if s.err != nil {
			return nil, s.err
		}
	}
	return out, nil
}

// uuidOf returns which file a smart object's block names; "" if none.
func uuidOf(key string, b []byte) string {
	s := over(b, key)
	if key == "PlLd" || key == "plLd" {
		s.skip(8) // type, version
		return s.pascal(1)
	}
	s.skip(8)
	return s.descriptor().get("Idnt").text
}

// uuids returns which files a layer shows: one, as a rule, named in several blocks.
func (d *document) uuids(l *layer) ([]string, error) {
	var out []string
	for _, b := range l.blocks {
		switch b.key {
		case "SoLd", "SoLE", "PlLd", "plLd":
			data, err := d.load(b.data, maxDescriptor)
			if err != nil {
				return nil, err
			}
			if id := uuidOf(b.key, data); id != "" && !slices.Contains(out, id) {
				out = append(out, id)
			}
		}
	}
	return out, nil
}

// fileSum hashes the bytes of a smart object's file.
func (d *document) fileSum(f *linked) ([]byte, error) {
	h := sha256.New()
	err := d.sumBytes(h, f.data)
	return h.Sum(nil), err
}
