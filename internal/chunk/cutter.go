package chunk

import "math"

const (
	// SoleMax: a stream of at most this many bytes and without seams is one
	// Data piece.
	SoleMax = 64 << 10
	// LiteralMax: an extent between seams shorter than this many bytes is one
	// Literal piece.
	LiteralMax = 1 << 10
)

// Kind says what a piece is.
type Kind uint8

// Kinds of pieces.
const (
	Data    Kind = iota // a chunk, to be stored under its digest
	Literal             // a few bytes between seams, to be kept in the recipe itself
	Run                 // bytes of period RunPeriod, given by the first RunPeriod of them and the length
)

// Piece is an extent of a stream. Off is in bytes from the start of the buffer
// given to Feed, or from the offset given to Parallel's emit. The Len of a Run
// is never below RunPeriod.
type Piece struct {
	Kind     Kind
	Off, Len int
}

// Seam forces a cut at stream offset Off, in bytes, and sets the class used
// from there on. Seams are advice: one that lies before its predecessor or has
// an invalid class is ignored, as is one at or past the end of the stream; one
// at offset 0 only sets the class; of several at one offset the last counts.
type Seam struct {
	Off   int64
	Class Class
}

// place is where a stream has just been cut. Together with the seams and the
// bytes behind it, it decides all further pieces; Parallel depends on that.
type place struct {
	pos   int64 // stream offset
	inRun bool  // a run goes on here for at least RunPeriod bytes
}

// Cutter cuts one stream. It belongs to one goroutine at a time.
type Cutter struct {
	table *Table
	seams []Seam // the first ahead entries are behind us

	place

	// The extent between two seams that holds pos.
	class Class
	start int64 // where it begins
	end   int64 // where it ends at the latest
	ahead int   // index of the first seam that may lie after start

	// What has been found out about runs: none starts in [pos, clear), and the
	// next starts at run, if that is not negative.
	clear, run int64
}

// Cutter returns a cutter for a stream that starts in class c, which must be
// valid, and has the given seams, in ascending order. It keeps seams, which must
// not change while the cutter is in use.
func (t *Table) Cutter(c Class, seams []Seam) *Cutter {
	k := &Cutter{table: t}
	k.Reset(c, seams)
	return k
}

// Reset makes c ready for another stream, as if it were new, without allocating.
func (c *Cutter) Reset(class Class, seams []Seam) {
	if !class.Valid() {
		panic("chunk: cutter of " + class.String())
	}
	*c = Cutter{table: c.table, seams: seams, class: class, run: -1}
	c.enter(0)
}

// resume puts a cutter that has just been reset at a place between two pieces.
func (c *Cutter) resume(at place) {
	for c.end <= at.pos {
		c.enter(c.end)
	}
	c.place, c.clear = at, at.pos
}

// enter begins the extent that starts at off, where a seam or the stream begins.
func (c *Cutter) enter(off int64) {
	c.start, c.end = off, math.MaxInt64
	c.clear, c.run, c.inRun = off, -1, false
	for ; c.ahead < len(c.seams); c.ahead++ {
		s := c.seams[c.ahead]
		if s.Off < off || !s.Class.Valid() {
			continue
		}
		if s.Off > off {
			c.end = s.Off
			return
		}
		c.class = s.Class
	}
}

// Feed cuts what it can of b, which starts at the first byte of the stream not
// used yet; last says that the stream ends with b. It appends the pieces to dst
// and returns how many bytes of b they cover: all of them if last, otherwise all
// but fewer than Max+RunMin, Max being that of the class in use there. The caller
// presents the rest again, in front of the bytes that follow. The pieces do not
// depend on how the stream was divided among calls. After last, only Reset may
// be called.
func (c *Cutter) Feed(dst []Piece, b []byte, last bool) ([]Piece, int) {
	used := 0
	for {
		kind, n := c.next(b[used:], last)
		if n == 0 {
			return dst, used
		}
		dst = append(dst, Piece{kind, used, n})
		used += n
	}
}

// next cuts one piece off the front of b and moves behind it. It returns 0 if
// bytes after b could still change that piece, or b is empty.
func (c *Cutter) next(b []byte, last bool) (Kind, int) {
	if len(b) == 0 {
		return Data, 0
	}
	if c.pos == 0 && int64(len(b)) <= min(SoleMax, c.end) {
		if !last {
			return Data, 0
		}
		c.pos = int64(len(b))
		return Data, len(b)
	}
	if c.pos == c.end {
		c.enter(c.end)
	}
	closed := last
	if left := c.end - c.pos; left <= int64(len(b)) {
		b, closed = b[:left], true
	}
	kind, n := c.piece(b, closed)
	c.pos += int64(n)
	return kind, n
}

// piece is next within one extent: b does not reach over its end, and reaches
// it if closed.
func (c *Cutter) piece(b []byte, closed bool) (Kind, int) {
	switch {
	case closed && c.pos == c.start && len(b) < LiteralMax:
		return Literal, len(b)
	case c.class.fixed():
		return c.block(b, closed)
	case c.inRun:
		return c.split(b, closed)
	}
	most := c.class.Params().Max
	if !closed && len(b) < most+RunMin-1 {
		return Data, 0
	}
	run := c.nextRun(b, min(len(b), most))
	if run == 0 {
		return c.split(b, closed)
	}
	return Data, c.table.First(c.class, b[:run])
}

// nextRun returns where in b the next run starts, or to if not before that.
func (c *Cutter) nextRun(b []byte, to int) int {
	if c.run < 0 {
		from := max(int(c.clear-c.pos), 0)
		if from >= to {
			return to
		}
		n := findRun(b, from, to)
		if n == to {
			c.clear = c.pos + int64(to)
			return to
		}
		c.run = c.pos + int64(n)
	}
	return min(int(c.run-c.pos), to)
}

// split returns the first piece of the run that begins or goes on at b.
func (c *Cutter) split(b []byte, closed bool) (Kind, int) {
	cut := RunSplit - int(c.pos%RunSplit)
	if cut < RunPeriod {
		cut += RunSplit
	}
	if !closed && len(b) < cut+RunPeriod {
		return Run, 0
	}
	n := periodic(b[:min(len(b), cut+RunPeriod)])
	c.inRun = n == cut+RunPeriod
	if c.inRun {
		n = cut
	}
	c.clear, c.run = c.pos+int64(n), -1
	return Run, n
}

// block returns the next piece of a class that does not cut by content: it
// ends at the next multiple of the size from the seam. Runs do not move cuts
// here; a block that is one from end to end becomes one.
func (c *Cutter) block(b []byte, closed bool) (Kind, int) {
	size := int64(c.class.Params().Max)
	n := int(size - (c.pos-c.start)%size)
	if len(b) < n {
		if !closed {
			return Data, 0
		}
		n = len(b)
	}
	if n >= RunMin && periodic(b[:n]) == n {
		return Run, n
	}
	return Data, n
}
