package seal

import (
	"bytes"
	"fmt"
	"math"
	"math/bits"
	"slices"

	"github.com/klauspost/compress/huff0"
	"github.com/klauspost/compress/zstd"
)

// Codec is how a block's bytes are stored. Values are on disk and never change.
type Codec uint8

// The codecs. Stride and Delta are reserved: decoding them is ErrUnsupported.
const (
	Raw      Codec = 0
	Zstd     Codec = 1
	Planes   Codec = 2
	Stride   Codec = 3
	Delta    Codec = 4
	Subtract Codec = 5
)

// MaxBlock is the largest plain length of a block or of a window-delta target, in bytes.
const MaxBlock = 16 << 20

// Level is how hard an Encoder tries.
type Level uint8

// The levels.
const (
	Fast Level = iota
	Medium
	Better

	levels
)

// blockEncoder appends the compressed form of src to dst.
type blockEncoder interface {
	EncodeAll(src, dst []byte) []byte
}

// blockDecoder is what verification asks.
type blockDecoder interface {
	Block(dst []byte, c Codec, stored []byte, rawLen int) ([]byte, error)
	holds(planes, raw []byte) bool
}

// zstdWindow bounds the memory of encoders and of every decoder of what they write.
const zstdWindow = 4 << 20

func newZstd(level zstd.EncoderLevel) *zstd.Encoder {
	e, err := zstd.NewWriter(nil,
		zstd.WithEncoderLevel(level),
		// Without it, data that has skewed bytes but no repeats, such as weights, is stored as it is.
		zstd.WithAllLitEntropyCompression(true),
		zstd.WithEncoderConcurrency(1),
		zstd.WithEncoderCRC(false),
		// A frame then says its content size however short it is.
		zstd.WithSingleSegment(true),
		zstd.WithWindowSize(zstdWindow))
	if err != nil {
		panic("seal: zstd refused its options: " + err.Error())
	}
	return e
}

// newUnzstd returns a decoder that never writes past the capacity of its destination.
func newUnzstd() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		panic("seal: zstd refused its options: " + err.Error())
	}
	return d
}

// unzstd appends the n bytes that frame says it holds to dst; n must be bounded.
func unzstd(d *zstd.Decoder, dst, frame []byte, n int) ([]byte, error) {
	var h zstd.Header
	if err := h.Decode(frame); err != nil || h.Skippable || !h.HasFCS || h.FrameContentSize != uint64(n) || h.DictionaryID != 0 {
		return dst, fmt.Errorf("zstd frame is not of %d bytes: %w", n, ErrDamaged)
	}
	start := len(dst)
	out := slices.Grow(dst, n)
	got, err := d.DecodeAll(frame, out[start:start:start+n])
	if err != nil || len(got) != n {
		return dst, fmt.Errorf("zstd frame of %d bytes: %w", n, ErrDamaged)
	}
	return append(out[:start], got...), nil // got lies there already, unless the decoder moved it
}

// Encoder compresses blocks. It is not safe for concurrent use: one per worker, about 10 MB when both levels
// have been used.
type Encoder struct {
	by     [levels]blockEncoder
	dec    blockDecoder
	back   []byte // what verification decodes into
	sample []byte // what the probe compresses into
	typed  []byte // the candidate of a typed transform
	planes []byte
	frame  []byte // a run compressed by zstd
	huff   huffman
	hist   [256]uint32
	places [1 << placesLog]uint16 // of four bytes by their hash: one more than where they are
	faults int
}

// NewEncoder returns an Encoder.
func NewEncoder() *Encoder {
	return &Encoder{by: [levels]blockEncoder{newZstd(zstd.SpeedFastest), newZstd(zstd.SpeedDefault), newZstd(zstd.SpeedBetterCompression)}, dec: NewDecoder()}
}

// Faults returns how many compressed blocks did not decode to their input and were stored raw instead. More
// than zero means a defect in a codec or in this computer's memory.
func (e *Encoder) Faults() int { return e.faults }

// Block appends the stored form of raw to dst. A block stays Raw unless that saves 1 %; what is not Raw has
// been decoded and compared. It is ErrUnsupported for more than MaxBlock bytes.
func (e *Encoder) Block(dst, raw []byte, level Level) (Codec, []byte, error) {
	if len(raw) > MaxBlock {
		return Raw, dst, fmt.Errorf("compress block of %d bytes: %w", len(raw), ErrUnsupported)
	}
	start := len(dst)
	c, out := e.compress(dst, raw, level)
	c, out = e.verified(c, out, start, raw)
	return c, out, nil
}

// BlockTyped is Block at level Fast for bytes of known type, elements of width 2 or 4 bytes.
//
// Planes is kept if it saves 3 % over what Block would, which is judged by a sample unless that shows
// repeats. Subtract, for differences, is always kept: what they are can be told from the codec alone. All
// other codecs and widths are ErrUnsupported.
func (e *Encoder) BlockTyped(dst, raw []byte, c Codec, width uint8) (Codec, []byte, error) {
	if c != Planes && c != Subtract || width != 2 && width != 4 || len(raw) > MaxBlock {
		return Raw, dst, fmt.Errorf("compress block of %d bytes by codec %d with width %d: %w", len(raw), c, width, ErrUnsupported)
	}
	if c == Subtract {
		return Subtract, e.subtracted(dst, raw, int(width)), nil
	}
	start := len(dst)
	dst = e.appendPlanes(dst, raw, int(width), runLog)
	sound := e.decodesTo(Planes, dst[start:], raw)
	if sound && (len(dst)-start)*100 <= e.expected(raw)*97 {
		return Planes, dst, nil
	}
	e.typed = append(e.typed[:0], dst[start:]...)
	plain, dst := e.compress(dst[:start], raw, Fast)
	if sound && len(e.typed)*100 <= (len(dst)-start)*97 {
		return Planes, append(dst[:start], e.typed...), nil
	}
	plain, dst = e.verified(plain, dst, start, raw)
	return plain, dst, nil
}

// subtracted appends the planes of differences to dst, in runs as they are if coded ones do not decode.
func (e *Encoder) subtracted(dst, raw []byte, width int) []byte {
	start := len(dst)
	dst = e.appendPlanes(dst, raw, width, runLog)
	if e.decodesTo(Subtract, dst[start:], raw) {
		return dst
	}
	n := len(raw) / width
	dst = append(dst[:start], byte(width)) // runs of 1<<runLogMax
	dst = append(dst, raw[n*width:]...)
	gather(e.planes[:n*width], raw, width, n)
	for i := range width {
		for plane := e.planes[i*n : (i+1)*n]; len(plane) > 0; {
			run := plane[:min(1<<runLogMax, len(plane))]
			plane = plane[len(run):]
			dst = append(append(dst, runRaw), run...)
		}
	}
	return dst
}

const (
	typedSample  = 4 << 10
	typedLookMin = 64 << 10 // smaller blocks are compressed whole
)

// expected returns how many bytes zstd would make of raw, judged by two pieces; 0 if they do not tell.
func (e *Encoder) expected(raw []byte) int {
	if len(raw) < typedLookMin {
		return 0
	}
	total := 0
	for _, at := range [2]int{len(raw) / 4, len(raw) - len(raw)/4 - typedSample} {
		piece := raw[at : at+typedSample]
		if !e.again(piece) { // then zstd codes literals only
			countBytes(&e.hist, piece)
			total += min(int(bitsOf(&e.hist)/(8<<8)), typedSample)
			continue
		}
		e.sample = e.by[Fast].EncodeAll(piece, e.sample[:0])
		total += min(len(e.sample), typedSample)
	}
	return int(int64(len(raw)) * int64(total) / (2 * typedSample))
}

// compress appends the zstd frame of raw, or raw if that is not 1 % larger. Nothing is verified yet.
func (e *Encoder) compress(dst, raw []byte, level Level) (Codec, []byte) {
	start := len(dst)
	if len(raw) < 16 || e.incompressible(raw) {
		return Raw, append(dst, raw...)
	}
	out := e.by[level].EncodeAll(raw, dst)
	if (len(out)-start)*100 > len(raw)*99 {
		return Raw, append(out[:start], raw...)
	}
	return Zstd, out
}

// verified returns c and out if out[start:] decodes to raw, and raw itself otherwise.
func (e *Encoder) verified(c Codec, out []byte, start int, raw []byte) (Codec, []byte) {
	if c == Raw || e.decodesTo(c, out[start:], raw) {
		return c, out
	}
	return Raw, append(out[:start], raw...)
}

// decodesTo reports whether stored decodes to raw, and counts a fault if not.
func (e *Encoder) decodesTo(c Codec, stored, raw []byte) bool {
	if c == Planes || c == Subtract {
		if e.dec.holds(stored, raw) {
			return true
		}
	} else if back, err := e.dec.Block(e.back[:0], c, stored, len(raw)); err == nil {
		e.back = back
		if bytes.Equal(back, raw) {
			return true
		}
	}
	e.faults++
	return false
}

const (
	probeMin    = 32 << 10 // smaller blocks are not worth a probe
	probeSample = 4 << 10
	probePiece  = 256
	probeStride = 4 << 10
	// 256 random bytes have 162 distinct values with a deviation of 6; text, code, pixels and weights have fewer than this.
	probeDistinct = 128
)

// incompressible reports whether compressing raw would surely be in vain. Compressing samples is blind to
// what lies between them, byte statistics are blind to repeats; so both must agree.
func (e *Encoder) incompressible(raw []byte) bool {
	if len(raw) < probeMin || !looksRandom(raw) {
		return false
	}
	total := 0
	for _, eighth := range [3]int{1, 4, 7} {
		at := min(len(raw)/8*eighth, len(raw)-probeSample)
		e.sample = e.by[Fast].EncodeAll(raw[at:at+probeSample], e.sample[:0])
		total += len(e.sample)
	}
	return total*100 >= 3*probeSample*99
}

// looksRandom looks at a piece of every 4 KiB: nearly all must have many distinct values, and together more
// than 7.9 bits of order-0 entropy.
func looksRandom(raw []byte) bool {
	var hist [256]uint32
	pieces, poor := 0, 0
	for at := 0; at+probeStride <= len(raw); at += probeStride {
		// The pieces wander, so that a period in the data cannot hide from them.
		shift := pieces * 1367 % (probeStride - probePiece)
		var seen [4]uint64
		for _, b := range raw[at+shift:][:probePiece] {
			hist[b]++
			seen[b>>6] |= 1 << (b & 63)
		}
		distinct := bits.OnesCount64(seen[0]) + bits.OnesCount64(seen[1]) + bits.OnesCount64(seen[2]) + bits.OnesCount64(seen[3])
		pieces++
		if distinct < probeDistinct {
			// One poor piece in 64 could not save the 1 % that Raw costs.
			if poor++; poor*64 > max(len(raw)/probeStride, 64) {
				return false
			}
		}
	}
	total := float64(pieces * probePiece)
	sum := 0.0
	for _, n := range hist {
		if n > 0 {
			sum += float64(n) * math.Log2(float64(n))
		}
	}
	// Few samples look less random than they are: (256−1)/(2·N·ln 2) bits.
	return math.Log2(total)-sum/total+255/(2*total*math.Ln2) > 7.9
}

// Decoder decodes blocks. It is not safe for concurrent use: one per worker.
type Decoder struct {
	zstd   *zstd.Decoder
	planes []byte
	huff   *huff0.Scratch
}

// NewDecoder returns a Decoder.
func NewDecoder() *Decoder {
	return &Decoder{zstd: newUnzstd(), huff: &huff0.Scratch{}}
}

// Block appends to dst the rawLen bytes that stored holds by codec c. It is ErrDamaged if stored is not a
// block of exactly that length, or rawLen is not 0 to MaxBlock, and ErrUnsupported for an unknown or
// reserved codec.
func (d *Decoder) Block(dst []byte, c Codec, stored []byte, rawLen int) ([]byte, error) {
	if rawLen < 0 || rawLen > MaxBlock {
		return dst, fmt.Errorf("decode block of %d bytes: %w", rawLen, ErrDamaged)
	}
	switch c {
	case Raw:
		if len(stored) != rawLen {
			return dst, fmt.Errorf("decode raw block: %d bytes for %d: %w", len(stored), rawLen, ErrDamaged)
		}
		return append(dst, stored...), nil
	case Zstd:
		out, err := unzstd(d.zstd, dst, stored, rawLen)
		if err != nil {
			return dst, fmt.Errorf("decode block: %w", err)
		}
		return out, nil
	case Planes, Subtract: // the same bytes; what they say differs
		out, err := d.joinPlanes(dst, stored, rawLen)
		if err != nil {
			return dst, fmt.Errorf("decode planes of %d bytes: %w", rawLen, err)
		}
		return out, nil
	}
	return dst, fmt.Errorf("decode block by codec %d: %w", c, ErrUnsupported)
}
