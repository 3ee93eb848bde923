package adobe

import (
	"encoding/binary"
	"hash/crc32"
)

// sum is what gzip ends with.
type sum struct {
	crc uint32
	n   uint32
}

func newSum() *sum { return &sum{} }

func (s *sum) Write(b []byte) (int, error) {
	s.crc = crc32.Update(s.crc, crc32.IEEETable, b)
	s.n += uint32(len(b))
	return len(b), nil
}

func (s *sum) append(b []byte) []byte {
	return binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(b, s.crc), s.n)
}
