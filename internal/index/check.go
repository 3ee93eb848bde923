package index

import (
	"bytes"
	"fmt"
)

// Check reads the whole segment and returns an error that wraps ErrDamaged unless it is what a Writer or Merge
// makes: sums, order, ranges, padding, and a filter that knows every row.
func (s *Segment) Check() error {
	for _, check := range []func() error{s.checkSum, s.checkNames, s.checkRows, s.checkPadding} {
		if err := check(); err != nil {
			return fmt.Errorf("check index segment: %w", err)
		}
	}
	return nil
}

func (s *Segment) checkSum() error {
	if sum(s.b[headerSize:]) != s.head.bodySum {
		return fmt.Errorf("sum body: %w", ErrDamaged)
	}
	return nil
}

func (s *Segment) checkNames() error {
	ids := s.Replaces()
	for i := 1; i < len(ids); i++ {
		if bytes.Compare(ids[i-1][:], ids[i][:]) >= 0 {
			return fmt.Errorf("order replaced segment %d: %w", i, ErrDamaged)
		}
	}
	packs := s.Packs()
	for i, p := range packs {
		if p.Size < 0 || i > 0 && comparePacks(packs[i-1], p) >= 0 {
			return fmt.Errorf("order pack %d: %w", i, ErrDamaged)
		}
	}
	return nil
}

func (s *Segment) checkRows() error {
	var last Row
	for n := range s.partitions {
		end := s.head.rows
		if n+1 < len(s.partitions) {
			end = s.partitions[n+1].first
		}
		for i := s.partitions[n].first; i < end; i++ {
			b := s.row(i)
			r := rowFrom(b)
			switch hi := keyOf(b).hi; {
			case r.Pack >= uint32(s.head.packs), b[rowSize-1] != 0:
				return fmt.Errorf("read row %d: %w", i, ErrDamaged)
			case i > 0 && last.compare(&r) >= 0:
				return fmt.Errorf("order row %d: %w", i, ErrDamaged)
			case partitionOf(hi, s.head.fanout) != n, !s.partitions[n].may(hi):
				return fmt.Errorf("filter row %d: %w", i, ErrDamaged)
			}
			last = r
		}
	}
	return nil
}

func (s *Segment) checkPadding() error {
	var used byte
	for _, c := range s.b[s.head.rowsAt+len(s.rows) : s.head.partitionsAt] {
		used |= c
	}
	at := s.head.filtersAt
	for i := range s.partitions {
		end := at + len(s.partitions[i].filter.Fingerprints)
		at = pad8(end)
		for _, c := range s.b[end:at] {
			used |= c
		}
	}
	if used != 0 {
		return fmt.Errorf("read padding: %w", ErrDamaged)
	}
	return nil
}
