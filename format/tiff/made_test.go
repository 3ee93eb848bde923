package tiff

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"testing"

	"varve/format"
	"varve/format/formattest"
	"varve/format/picturetest"
	"varve/format/raster"
)

// tag is one of a directory that is made: numbers of 16 or 32 bits.
type tag struct {
	id     uint16
	long   bool
	values []uint32
}

// made is a little-endian TIFF of pages, each of tags and the bytes of its one strip.
func made(pages ...[]tag) []byte {
	put := binary.LittleEndian
	b := []byte("II*\x00\x08\x00\x00\x00")
	for i, tags := range pages {
		slices.SortFunc(tags, func(a, b tag) int { return int(a.id) - int(b.id) })
		b = put.AppendUint16(b, uint16(len(tags)))
		values := len(b) + 12*len(tags) + 4
		var more []byte
		for _, x := range tags {
			kind, size := uint16(3), 2
			if x.long {
				kind, size = 4, 4
			}
			var data []byte
			for _, v := range x.values {
				if data = put.AppendUint32(data, v); !x.long {
					data = data[:len(data)-2]
				}
			}
			b = put.AppendUint16(b, x.id)
			b = put.AppendUint16(b, kind)
			b = put.AppendUint32(b, uint32(len(x.values)))
			if size*len(x.values) > 4 {
				b = put.AppendUint32(b, uint32(values+len(more)))
				more = append(more, data...)
			} else {
				b = append(append(b, data...), make([]byte, 4-len(data))...)
			}
		}
		if len(more)%2 == 1 {
			more = append(more, 0)
		}
		next := uint32(0)
		if i+1 < len(pages) {
			next = uint32(values + len(more))
		}
		b = append(put.AppendUint32(b, next), more...)
	}
	return b
}

// page returns the tags of a picture whose strip lies at off.
func pageOf(width, height, bits, samples, photometric int, off, n int, more ...tag) []tag {
	short := func(id uint16, v ...int) tag {
		x := tag{id: id}
		for _, v := range v {
			x.values = append(x.values, uint32(v))
		}
		return x
	}
	return append(more, short(tagWidth, width), short(tagHeight, height), short(tagBits, slices.Repeat([]int{bits}, samples)...),
		short(tagCompression, 1), short(tagPhotometric, photometric), short(tagSamples, samples), short(tagRows, height),
		tag{tagStripOffsets, true, []uint32{uint32(off)}}, tag{tagStripCounts, true, []uint32{uint32(n)}})
}

// one is a TIFF of one page with its strip at the end.
func one(width, height, bits, samples, photometric int, data []byte, more ...tag) []byte {
	size := len(made(pageOf(width, height, bits, samples, photometric, 0, 0, slices.Clone(more)...)))
	return append(made(pageOf(width, height, bits, samples, photometric, size, len(data), more...)), data...)
}

// TestKinds: samples of kinds that ImageMagick does not write, worked out by hand.
func TestKinds(t *testing.T) {
	signed := tag{id: tagSampleFormat, values: []uint32{2}}
	extra := func(v uint32) tag { return tag{id: tagExtraSamples, values: []uint32{v}} }
	f64 := binary.LittleEndian.AppendUint64(nil, math.Float64bits(0.1))
	for _, c := range []struct {
		name  string
		file  []byte
		model raster.Model
		alpha bool
		depth raster.Depth
		want  []float64
	}{
		{"two bits", one(4, 1, 2, 1, 1, []byte{0x1b}), raster.Gray, false, raster.U8, []float64{0, 85, 170, 255}},
		{"two bits, white is 0", one(4, 1, 2, 1, 0, []byte{0x1b}), raster.Gray, false, raster.U8, []float64{255, 170, 85, 0}},
		{"bits from the lowest", one(4, 1, 2, 1, 1, []byte{0xd8}, tag{id: tagFillOrder, values: []uint32{2}}), raster.Gray, false, raster.U8, []float64{0, 85, 170, 255}},
		{"signed 8", one(2, 1, 8, 1, 1, []byte{0xff, 127}, signed), raster.Gray, false, raster.F32, []float64{-1, 127}},
		{"signed 16", one(1, 1, 16, 1, 1, []byte{0x00, 0x80}, signed), raster.Gray, false, raster.F32, []float64{-32768}},
		{"whole 32", one(1, 1, 32, 1, 1, []byte{255, 255, 255, 255}), raster.Gray, false, raster.F32, []float64{1}},
		{"float 64", one(1, 1, 64, 1, 1, f64, tag{id: tagSampleFormat, values: []uint32{3}}), raster.Gray, false, raster.F32, []float64{float64(float32(0.1))}},
		{"associated", one(1, 1, 8, 4, 2, []byte{1, 2, 3, 4}, extra(1)), raster.RGB, true, raster.U8, []float64{1, 2, 3, 4}},
		{"a channel that is no alpha", one(1, 1, 8, 4, 2, []byte{1, 2, 3, 4}, extra(0)), raster.RGB, false, raster.U8, []float64{1, 2, 3}},
		{"alpha that is not said to be", one(1, 1, 8, 4, 2, []byte{1, 2, 3, 4}), raster.RGB, true, raster.U8, []float64{1, 2, 3, 4}},
		{"alpha and more", one(1, 1, 8, 5, 2, []byte{1, 2, 3, 4, 5}, tag{id: tagExtraSamples, values: []uint32{2, 0}}), raster.RGB, true, raster.U8, []float64{1, 2, 3, 4}},
		{"Lab", one(1, 1, 8, 3, 8, []byte{255, 0xff, 1}), raster.Lab, false, raster.U8, []float64{255, 127, 129}},
		{"Lab of ICC", one(1, 1, 8, 3, 9, []byte{255, 0xff, 1}), raster.Lab, false, raster.U8, []float64{255, 255, 1}},
		{"Lab 16", one(1, 1, 16, 3, 8, []byte{255, 255, 0, 0, 255, 255}), raster.Lab, false, raster.U16, []float64{65535, 32768, 32767}},
	} {
		p, err := format.Decode(t.Context(), Format{}, format.Bytes(c.file))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		var got []float64
		for x := range p.Width {
			for i := range p.Channels() {
				got = append(got, p.At(x, 0, i))
			}
		}
		if !slices.Equal(got, c.want) || p.Model != c.model || p.Alpha != c.alpha || p.Depth != c.depth || p.Premultiplied != (c.name == "associated") {
			t.Errorf("%s: %v, want %v; %v %v", c.name, got, c.want, p.Model, p.Depth)
		}
		picturetest.Cut(t, Format{}, c.file, 0)
	}
}

// TestPages: pages are elements, a smaller copy serves as the picture, and directories inside are counted.
func TestPages(t *testing.T) {
	second := pageOf(2, 2, 8, 1, 1, 8, 4, tag{tagSubfile, true, []uint32{1}})
	b := made(pageOf(4, 4, 8, 1, 1, 8, 16, tag{id: tagOrientation, values: []uint32{2}}), second)
	list, err := format.Elements(t.Context(), Format{}, format.Bytes(b))
	if err != nil || len(list) != 2 || list[0].ID != "page:1" || list[1].Properties["reduced"] != "true" || list[0].Kind != "page" {
		t.Fatalf("%+v, %v", list, err)
	}
	x, err := format.ExtractElement(t.Context(), Format{}, format.Bytes(b), "page:2")
	if err != nil || !bytes.HasPrefix(formattest.All(t, x.Content), []byte("\x89PNG")) {
		t.Error(err)
	}
	for size, want := range map[int]int{4: 2, 5: 2, 6: 4} {
		p, err := format.Show(t.Context(), Format{}, format.Bytes(b), size)
		if err != nil || p.Image.Width != want {
			t.Errorf("for %d: %+v, %v", size, p, err)
		}
	}
	loop := bytes.Clone(b)
	at := len(made(pageOf(4, 4, 8, 1, 1, 8, 16, tag{id: tagOrientation, values: []uint32{2}}))) - 4
	binary.LittleEndian.PutUint32(loop[at:], 8)
	if err := format.Validate(t.Context(), Format{}, format.Bytes(loop)); !errors.Is(err, format.ErrMalformed) {
		t.Errorf("a page that follows itself: %v", err)
	}
}

// TestRegions: strips that are not compressed are an array of numbers; those that follow one another are one.
func TestRegions(t *testing.T) {
	b := one(4, 2, 16, 1, 1, make([]byte, 16))
	got, err := Format{}.Regions(format.Bytes(b))
	if want := []format.Region{{Off: int64(len(b) - 16), Len: 16, Width: 2}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	files := picturetest.Seeds(t, "testdata")
	for name, want := range map[string]uint8{"little.tif": 1, "big16.tif": 1, "int32.tif": 4, "lzw.tif": 0, "half.tif": 2, "planar.tif": 1} {
		got, err := Format{}.Regions(format.Bytes(files[name]))
		if err != nil || want == 0 && got != nil || want > 0 && (len(got) == 0 || got[0].Width != want) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

// TestHostile: what a directory says is bounded before it is believed.
func TestHostile(t *testing.T) {
	for name, c := range map[string]struct {
		file []byte
		want error
	}{
		"strip of all": {one(60000, 60000, 8, 1, 1, make([]byte, 9)), format.ErrMalformed},
		"packed":       {one(60000, 60000, 8, 1, 1, make([]byte, 9), tag{id: tagCompression, values: []uint32{8}}), format.ErrMalformed},
		"no size":      {one(0, 1, 8, 1, 1, nil), format.ErrMalformed},
		"samples":      {one(1, 1, 8, 1, 2, make([]byte, 9)), format.ErrMalformed},
		"bits":         {one(1, 1, 12, 1, 1, make([]byte, 9)), format.ErrUnsupported},
		"no palette":   {one(1, 1, 8, 1, 3, make([]byte, 9)), format.ErrMalformed},
		"Y'CbCr":       {one(1, 1, 8, 3, 6, make([]byte, 9)), format.ErrUnsupported},
		"a 32-bit float with the predictor for whole numbers of bits": {one(1, 1, 4, 1, 1, make([]byte, 9), tag{id: tagPredictor, values: []uint32{2}}), format.ErrUnsupported},
	} {
		if _, err := format.Decode(t.Context(), Format{}, format.Bytes(c.file)); err == nil || !errors.Is(err, c.want) && !errors.Is(err, raster.ErrSize) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	packed := one(16000, 16000, 8, 1, 1, make([]byte, 9))
	at := bytes.Index(packed, []byte{3, 1, 3, 0, 1, 0, 0, 0, 1, 0})
	packed[at+8] = 8
	if _, err := format.Decode(t.Context(), Format{}, format.Bytes(packed)); !errors.Is(err, format.ErrLimit) {
		t.Errorf("nine bytes that become 256 million: %v", err)
	}
	jpegs := one(1, 1, 8, 3, 6, make([]byte, 9))
	at = bytes.Index(jpegs, []byte{3, 1, 3, 0, 1, 0, 0, 0, 1, 0})
	jpegs[at+8] = 7
	list, err := format.Elements(t.Context(), Format{}, format.Bytes(jpegs))
	if err != nil || len(list) != 1 || list[0].Aspects["data"] == "" || list[0].Properties["not decoded"] == "" {
		t.Errorf("what is not decoded is told apart by its bytes: %+v, %v", list, err)
	}
}
