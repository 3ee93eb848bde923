package records

import (
	"database/sql"
	"hash/maphash"
)

// A sieve knows of most ids that a table does not have them, so that they need not be looked up. It is of all that the
// table has; what falls through may be there. It has bits in memory, and is forgotten with the index's handle.
type sieve struct {
	seed maphash.Seed
	bits []uint64 // 1 << sieveBits
}

// Of a million ids that are not there, 900 fall through a sieve of a million.
const (
	sieveBits = 26
	sieved    = 2000 // as many new ids are worth a sieve
)

func (s *sieve) at(key string) (a, b uint64) {
	h := maphash.String(s.seed, key)
	return h & (1<<sieveBits - 1), h >> (64 - sieveBits)
}

func (s *sieve) add(key string) {
	a, b := s.at(key)
	s.bits[a/64] |= 1 << (a % 64)
	s.bits[b/64] |= 1 << (b % 64)
}

func (s *sieve) may(key string) bool {
	a, b := s.at(key)
	return s.bits[a/64]&(1<<(a%64)) != 0 && s.bits[b/64]&(1<<(b%64)) != 0
}

// sieve returns the sieve of the table, nil where it is not worth its making.
func (w *writing) sieve(ids int) (*sieve, error) {
	var change int64
	if err := w.tx.QueryRowContext(w.ctx, "SELECT v FROM meta WHERE k = 'change'").Scan(&change); err != nil {
		return nil, unusable(err)
	}
	w.x.mu.Lock()
	if w.x.sieves == nil || w.x.change != change { // another process has written
		w.x.sieves, w.x.change = map[int64]*sieve{}, change
	}
	s := w.x.sieves[w.t.number]
	w.x.mu.Unlock()
	if s != nil || ids < sieved {
		return s, nil
	}
	var last sql.NullInt64
	if err := w.tx.QueryRowContext(w.ctx, "SELECT max(n) FROM "+w.t.rows()).Scan(&last); err != nil || last.Int64 > 4*int64(ids) {
		return nil, err
	}
	s = &sieve{maphash.MakeSeed(), make([]uint64, 1<<sieveBits/64)}
	rows, err := w.tx.QueryContext(w.ctx, "SELECT id FROM "+w.t.rows())
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var key sql.RawBytes
		if err := rows.Scan(&key); err != nil {
			return nil, err
		}
		s.add(string(key))
	}
	w.x.mu.Lock()
	w.x.sieves[w.t.number] = s
	w.x.mu.Unlock()
	return s, rows.Err()
}

// sift puts what goes into the table into its sieve, which then is as of a change that this process made.
func (w *writing) sift(all []*entity, change int64) {
	w.x.mu.Lock()
	s := w.x.sieves[w.t.number]
	w.x.change = change
	w.x.mu.Unlock()
	if s != nil {
		for _, e := range all {
			s.add(w.t.key(e.kind, e.id))
		}
	}
}
