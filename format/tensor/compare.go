package tensor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"sync"
)

// Verdict is what became of a tensor.
type Verdict string

const (
	Added     Verdict = "added"
	Removed   Verdict = "removed"
	Retyped   Verdict = "retyped"  // another type; its numbers may be the same
	Reshaped  Verdict = "reshaped" // another shape
	Changed   Verdict = "changed"
	Unchanged Verdict = "unchanged" // the same elements, byte for byte
)

// Stats are of the numbers of a tensor; all but the counts are of those that are finite.
type Stats struct {
	Count, NaN, Inf, Zeros int64
	Min, Max, Mean, Std    float64 // Std is of the population
	Norm                   float64 // Euclidean
	Histogram              []int64 // numbers with 2^k ≤ |x| < 2^(k+1), for k from Low; without zeros
	Low                    int     // of the histogram, which is empty where there are none
}

// Pair is a tensor in both files, or in one of them.
type Pair struct {
	Name     string
	Verdict  Verdict
	Old, New *Tensor // nil: it is not there

	// Words are the elements, or blocks of them, that were compared, and Equal those that are the same. Both are 0 where
	// the counts differ, and of unchanged tensors, which are not read beyond that.
	Words, Equal int64
	// Numbers says that what follows is known: the elements are numbers, and as many on both sides.
	Numbers            bool
	Delta              float64 // ‖new − old‖
	Relative           float64 // Delta ÷ ‖old‖; infinite where old is all zeros
	Most               float64 // greatest |new − old|
	Cosine             float64 // of the angle between both; NaN where one is all zeros
	OldStats, NewStats Stats
	Note               string
}

// Side is a file with its tensors.
type Side struct {
	List *List
	In   io.ReaderAt
}

// Options say how to compare.
type Options struct {
	// Same reports whether both tensors have the same bytes, where that is known without reading them. May be nil.
	Same    func(old, new *Tensor) bool
	Frozen  []string // names, with * and ?, of tensors that should not have changed
	Workers int      // tensors that are compared at once; 0: one
}

// Comparison is what differs between the tensors of two files.
type Comparison struct {
	Pairs    []Pair // in the order of the new file; then what is gone
	Metadata []Entry
	Adapters []Adapter
	Frozen   []Frozen

	Added, Removed, Retyped, Reshaped, Changed, Unchanged int

	// Of all tensors together that have changed and were compared as numbers.
	Delta, Relative float64
	NaN, Inf        int64 // in the new file, of those that changed
	Read            int64 // bytes of both files that were read
}

// Entry is metadata that differs; "" where it is not there.
type Entry struct{ Key, Old, New string }

// Same reports whether nothing differs but where the tensors stand.
func (c *Comparison) Same() bool { return len(c.Pairs) == c.Unchanged && len(c.Metadata) == 0 }

// Compare compares the tensors of two files by their names.
func Compare(ctx context.Context, old, new Side, o Options) (*Comparison, error) {
	c := &Comparison{Pairs: match(old.List, new.List)}
	var (
		mu     sync.Mutex
		failed error
		group  sync.WaitGroup
		next   = make(chan int)
	)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for range max(o.Workers, 1) {
		group.Go(func() {
			w := &worker{ctx: ctx, old: old.In, new: new.In, same: o.Same}
			for i := range next {
				err := w.pair(&c.Pairs[i])
				if limits(err) {
					c.Pairs[i].Note, err = "not compared: "+err.Error(), nil
				}
				mu.Lock()
				c.Read += w.read
				w.read = 0
				if err != nil && failed == nil {
					failed = fmt.Errorf("tensor %.80q: %w", c.Pairs[i].Name, err)
					cancel()
				}
				mu.Unlock()
			}
		})
	}
	for i := range c.Pairs {
		if ctx.Err() != nil {
			break
		}
		next <- i
	}
	close(next)
	group.Wait()
	if failed != nil {
		return nil, failed
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c.total()
	c.Metadata = metadata(old.List.Metadata, new.List.Metadata)
	c.Frozen = frozen(c.Pairs, o.Frozen)
	var err error
	c.Adapters, err = adapters(ctx, old, new)
	return c, err
}

// match pairs tensors by name; of several of one name the first with the first.
func match(old, new *List) []Pair {
	left := make(map[string][]int, len(old.Tensors))
	for i := range old.Tensors {
		name := old.Tensors[i].Name
		left[name] = append(left[name], i)
	}
	taken := make([]bool, len(old.Tensors))
	var out []Pair
	for i := range new.Tensors {
		p := Pair{Name: new.Tensors[i].Name, New: &new.Tensors[i], Verdict: Added}
		if l := left[p.Name]; len(l) > 0 {
			p.Old, taken[l[0]], left[p.Name] = &old.Tensors[l[0]], true, l[1:]
		}
		out = append(out, p)
	}
	for i := range old.Tensors {
		if !taken[i] {
			out = append(out, Pair{Name: old.Tensors[i].Name, Old: &old.Tensors[i], Verdict: Removed})
		}
	}
	return out
}

func metadata(old, new map[string]string) []Entry {
	keys := map[string]bool{}
	for _, m := range []map[string]string{old, new} {
		for k := range m {
			keys[k] = true
		}
	}
	var out []Entry
	for k := range keys {
		if old[k] != new[k] {
			out = append(out, Entry{k, old[k], new[k]})
		}
	}
	slices.SortFunc(out, func(a, b Entry) int { return bytes.Compare([]byte(a.Key), []byte(b.Key)) })
	return out
}

// worker compares one tensor after another.
type worker struct {
	ctx      context.Context
	old, new io.ReaderAt
	same     func(old, new *Tensor) bool
	a, b     []byte
	x, y     []float64
	table    []float32 // of the numbers of 16 bits of the type tabled
	tabled   Type
	read     int64
}

// blockElements are compared at once: their bytes stay in a processor's cache. It is a multiple of all blocks.
const blockElements = 1 << 15

func (w *worker) pair(p *Pair) error {
	if p.Old == nil || p.New == nil {
		return nil
	}
	a, b := p.Old, p.New
	switch {
	case a.Type != b.Type || a.TypeName() != b.TypeName():
		p.Verdict = Retyped
	case !slices.Equal(a.Shape, b.Shape):
		p.Verdict = Reshaped
	default:
		p.Verdict = Changed
		if packed(a, b) && a.Big == b.Big && a.Size == b.Size && w.same != nil && w.same(a, b) {
			p.Verdict = Unchanged
			return nil
		}
	}
	if a.Type == Unknown && p.Verdict == Retyped {
		return nil
	}
	if a.Count() != b.Count() {
		return nil
	}
	if a.Type == b.Type {
		same, err := w.equal(a, b)
		if err != nil {
			return err
		}
		if same {
			if p.Verdict == Changed {
				p.Verdict = Unchanged
			} else {
				p.Note = "the same elements"
			}
			return nil
		}
	}
	if !a.numbers() || !b.numbers() || layoutOf(a.Type).parts != layoutOf(b.Type).parts {
		if a.Type != b.Type {
			return nil
		}
		p.Note = "compared as bytes"
		return w.compare(p, w.words)
	}
	s := newSums()
	if err := w.compare(p, func(p *Pair, a, b []byte) { w.numbers(s, p, a, b) }); err != nil {
		return err
	}
	p.finish(s)
	return nil
}

// readers open both tensors: as they stand where that is in one order, else row by row.
func (w *worker) readers(a, b *Tensor) (io.Reader, io.Reader, error) {
	open := (*Tensor).Reader
	if packed(a, b) {
		open = (*Tensor).raw
	}
	x, err := open(a, w.old)
	if err != nil {
		return nil, nil, err
	}
	y, err := open(b, w.new)
	return x, y, err
}

// each calls do with the same blocks of both tensors, until it returns false.
func (w *worker) each(a, b *Tensor, do func(x, y []byte) bool) error {
	r, s, err := w.readers(a, b)
	if err != nil {
		return err
	}
	blockA, sizeA := a.Type.Block()
	blockB, sizeB := b.Type.Block()
	left := a.Count()
	w.a, w.b = grown(w.a, blockElements/blockA*sizeA), grown(w.b, blockElements/blockB*sizeB)
	for left > 0 {
		if err := w.ctx.Err(); err != nil {
			return err
		}
		n := min(left, blockElements)
		left -= n
		x, y := w.a[:int(n)/blockA*sizeA], w.b[:int(n)/blockB*sizeB]
		if _, err := io.ReadFull(r, x); err != nil {
			return short(err)
		}
		if _, err := io.ReadFull(s, y); err != nil {
			return short(err)
		}
		w.read += int64(len(x) + len(y))
		if !do(x, y) {
			return nil
		}
	}
	return nil
}

func grown(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, n)
	}
	return b[:n]
}

// equal reports whether two tensors of one type have the same elements.
func (w *worker) equal(a, b *Tensor) (same bool, err error) {
	same = true
	width := int(a.Type.Width())
	err = w.each(a, b, func(x, y []byte) bool {
		if a.Big != b.Big && width > 1 {
			reverse(y, width)
		}
		same = bytes.Equal(x, y)
		return same
	})
	return same, err
}

func (w *worker) compare(p *Pair, do func(p *Pair, x, y []byte)) error {
	if layoutOf(p.Old.Type).size == 2 && p.Old.Type == p.New.Type && (p.Old.Big || p.New.Big) {
		// The quick loop is of little-endian numbers.
		return w.each(p.Old, p.New, func(x, y []byte) bool {
			little(p.Old, x)
			little(p.New, y)
			do(p, x, y)
			return true
		})
	}
	return w.each(p.Old, p.New, func(x, y []byte) bool { do(p, x, y); return true })
}

func little(t *Tensor, b []byte) {
	if t.Big {
		reverse(b, int(t.Type.Width()))
	}
}

// words counts blocks of one type, and those that are the same.
func (w *worker) words(p *Pair, a, b []byte) {
	_, size := p.Old.Type.Block()
	for ; len(a) >= size && len(b) >= size; a, b = a[size:], b[size:] {
		p.Words++
		if bytes.Equal(a[:size], b[:size]) {
			p.Equal++
		}
	}
}

// numbers sums the numbers of a block of each tensor.
func (w *worker) numbers(s *sums, p *Pair, a, b []byte) {
	t := p.Old.Type
	alike := t == p.New.Type
	switch {
	case alike && (t == BF16 || t == F16) && p.Old.Count() >= countFrom:
		if s.number == nil {
			s.wide(w.tableOf(t))
		}
		s.add16(a, b)
		return
	case alike && t == F32 && !p.Old.Big && !p.New.Big:
		s.add32(a, b)
		return
	}
	count := func(t Type, b []byte) int {
		l := layoutOf(t)
		return len(b) / l.size * l.block * l.parts
	}
	n := count(t, a)
	if cap(w.x) < n {
		w.x, w.y = make([]float64, n), make([]float64, n)
	}
	x, y := w.x[:n], w.y[:n]
	newDecoder(t, p.Old.Big).decode(x, a)
	newDecoder(p.New.Type, p.New.Big).decode(y, b)
	s.add64(x, y)
	if l := layoutOf(t); alike && l.block == 1 && p.Old.Big == p.New.Big {
		size := l.size / l.parts
		for ; len(a) >= size; a, b = a[size:], b[size:] {
			if string(a[:size]) == string(b[:size]) {
				s.equal++
			}
		}
		return
	}
	for i := range x {
		if x[i] == y[i] || x[i] != x[i] && y[i] != y[i] {
			s.equal++
		}
	}
}

// countFrom is the number of elements from which it is quicker to count how often each 16-bit number occurs.
const countFrom = 1 << 17

// tableOf returns the numbers that 16 bits of a type are.
func (w *worker) tableOf(t Type) []float32 {
	if w.table == nil || w.tabled != t {
		w.table, w.tabled = make([]float32, 1<<16), t
		for i := range w.table {
			if t == BF16 {
				w.table[i] = math.Float32frombits(uint32(i) << 16)
			} else {
				w.table[i] = half(uint16(i))
			}
		}
	}
	return w.table
}

// finish sets the numbers of a pair.
func (p *Pair) finish(s *sums) {
	if s.number != nil {
		s.counted()
	}
	p.Numbers, p.Words, p.Equal = true, s.a.n, s.equal
	p.Delta, p.Most = math.Sqrt(s.d2), s.most
	p.OldStats, p.NewStats = s.a.stats(), s.b.stats()
	p.Relative = relative(p.Delta, p.OldStats.Norm)
	a2, b2 := s.a.square-s.apartA, s.b.square-s.apartB // of those that are numbers on both sides
	p.Cosine = math.NaN()
	if a2 > 0 && b2 > 0 {
		p.Cosine = max(-1, min(1, (a2+b2-s.d2)/2/math.Sqrt(a2)/math.Sqrt(b2)))
	}
}

func relative(delta, norm float64) float64 {
	if delta == 0 {
		return 0
	}
	return delta / norm
}

func (s *side) stats() Stats {
	o := Stats{Count: s.n, NaN: s.nan, Inf: s.inf, Zeros: s.zero, Norm: math.Sqrt(s.square)}
	finite := float64(s.n - s.nan - s.inf)
	if finite == 0 {
		return o
	}
	o.Min, o.Max, o.Mean = s.min, s.max, s.sum/finite
	o.Std = math.Sqrt(max(0, s.square/finite-o.Mean*o.Mean))
	low, high := -1, -1
	for i, n := range s.bins {
		if n > 0 {
			if low < 0 {
				low = i
			}
			high = i
		}
	}
	if low >= 0 {
		o.Low, o.Histogram = low-1023, slices.Clone(s.bins[low:high+1])
	}
	return o
}

// total sums over the pairs.
func (c *Comparison) total() {
	var d2, norm2 float64
	for i := range c.Pairs {
		p := &c.Pairs[i]
		switch p.Verdict {
		case Added:
			c.Added++
		case Removed:
			c.Removed++
		case Retyped:
			c.Retyped++
		case Reshaped:
			c.Reshaped++
		case Changed:
			c.Changed++
		case Unchanged:
			c.Unchanged++
		}
		if p.Numbers {
			d2 += p.Delta * p.Delta
			norm2 += p.OldStats.Norm * p.OldStats.Norm
			c.NaN += p.NewStats.NaN
			c.Inf += p.NewStats.Inf
		}
	}
	c.Delta = math.Sqrt(d2)
	c.Relative = relative(c.Delta, math.Sqrt(norm2))
}

// limits are errors of a tensor that cannot be compared, and of no other.
func limits(err error) bool {
	return errors.Is(err, ErrLimit) || errors.Is(err, errors.ErrUnsupported)
}
