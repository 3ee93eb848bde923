package metricfile

import (
	"context"
	"encoding/binary"
	"math"
	"strings"
	"testing"
	"testing/fstest"
)

// An eventWriter makes event files as event.proto and TFRecord say.
type eventWriter struct{ b []byte }

func events(fill func(*eventWriter)) string {
	w := &eventWriter{}
	w.record(putBytes(nil, 3, []byte("brain.Event:2")))
	fill(w)
	return string(w.b)
}

func (w *eventWriter) record(b []byte) {
	var head [8]byte
	binary.LittleEndian.PutUint64(head[:], uint64(len(b)))
	w.b = append(w.b, head[:]...)
	w.b = binary.LittleEndian.AppendUint32(w.b, masked(head[:]))
	w.b = append(w.b, b...)
	w.b = binary.LittleEndian.AppendUint32(w.b, masked(b))
}

func putVarint(b []byte, number int, v uint64) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(b, uint64(number)<<3), v)
}

func putBytes(b []byte, number int, v []byte) []byte {
	b = binary.AppendUvarint(b, uint64(number)<<3|2)
	return append(binary.AppendUvarint(b, uint64(len(v))), v...)
}

func putFloat(b []byte, number int, v float32) []byte {
	return binary.LittleEndian.AppendUint32(binary.AppendUvarint(b, uint64(number)<<3|5), math.Float32bits(v))
}

func (w *eventWriter) event(step int64, value []byte) {
	b := binary.LittleEndian.AppendUint64([]byte{1<<3 | 1}, math.Float64bits(1783757000))
	if step != 0 {
		b = putVarint(b, 2, uint64(step))
	}
	w.record(putBytes(b, 5, putBytes(nil, 1, value)))
}

func (w *eventWriter) scalar(step int64, tag string, v float32) {
	w.event(step, putFloat(putBytes(nil, 1, []byte(tag)), 2, v))
}

func (w *eventWriter) restart(step int64) {
	w.record(putBytes(putVarint(nil, 2, uint64(step)), 7, putVarint(nil, 1, 1)))
}

// tensor writes a value of a plugin.
func (w *eventWriter) tensor(step int64, tag, plugin string, proto []byte) {
	v := putBytes(nil, 1, []byte(tag))
	if plugin != "" {
		v = putBytes(v, 9, putBytes(nil, 1, putBytes(nil, 1, []byte(plugin))))
	}
	w.event(step, putBytes(v, 8, proto))
}

// TestTensors: scalars of all types, as bytes and as lists; what is no scalar is told.
func TestTensors(t *testing.T) {
	shape := func(sizes ...uint64) []byte {
		var dims []byte
		for _, n := range sizes {
			dims = putBytes(dims, 2, putVarint(nil, 1, n))
		}
		return dims
	}
	text := events(func(w *eventWriter) {
		content := func(dtype uint64, b ...byte) []byte { return putBytes(putVarint(nil, 1, dtype), 4, b) }
		w.tensor(0, "double", "scalars", content(dtDouble, 0, 0, 0, 0, 0, 0, 0xe0, 0x3f))
		w.tensor(1, "double", "", content(dtDouble, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f)) // only the first says the plugin
		w.tensor(2, "int8", "", content(dtInt8, 0xff))
		w.tensor(2, "bf16", "", content(dtBfloat16, 0xc0, 0x3f))
		w.tensor(2, "half", "", putBytes(putVarint(nil, 1, dtHalf), 13, binary.AppendUvarint(nil, 0x3e00)))
		w.tensor(2, "int64", "", putVarint(putVarint(nil, 1, dtInt64), 10, math.MaxUint64))
		w.tensor(2, "zero", "", putVarint(nil, 1, dtFloat))
		w.tensor(2, "one", "", putFloat(putBytes(putVarint(nil, 1, dtFloat), 2, shape(1)), 5, 2.5))
		w.tensor(2, "vector", "", putBytes(putBytes(putVarint(nil, 1, dtFloat), 2, shape(2)), 4, make([]byte, 8)))
		w.tensor(2, "words", "text", putBytes(putVarint(nil, 1, 7), 8, []byte("hello")))
		w.event(3, putBytes(putBytes(nil, 1, []byte("h")), 5, nil))
	})
	run := must(t, files(map[string]string{"a.tfevents": text}), "a.tfevents")
	const at = " 2026-07-11T08:03:20Z\n"
	want := strings.ReplaceAll("double=0.5@0;double=1@1;int8=-1@2;bf16=1.5@2;half=1.5@2;int64=-1@2;zero=0@2;one=2.5@2;", ";", at)
	if got := sayAll([]Run{run}); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if notes := strings.Join(run.Notes, "; "); notes != "1 histograms are left out; 1 texts are left out; 1 tensors that are no scalars are left out" {
		t.Errorf("notes %q", notes)
	}
}

// TestDamagedEvents: each flipped byte of a file is found; each cut is told, and costs only the record it is in.
func TestDamagedEvents(t *testing.T) {
	var ends []int
	text := events(func(w *eventWriter) {
		for i := range 3 {
			ends = append(ends, len(w.b))
			w.scalar(int64(i), "loss", 1)
		}
		ends = append(ends, len(w.b))
	})
	read := func(b []byte) ([]Run, error) {
		return Read(context.Background(), fstest.MapFS{"x.tfevents": {Data: b}}, "x.tfevents", Options{})
	}
	for i := range text {
		b := []byte(text)
		b[i] ^= 0x10
		if runs, err := read(b); err == nil {
			t.Fatalf("byte %d flipped: %+v", i, runs)
		}
	}
	for cut := ends[0]; cut < len(text); cut++ {
		runs, err := read([]byte(text[:cut]))
		whole := 0
		for whole+1 < len(ends) && ends[whole+1] <= cut {
			whole++
		}
		if err != nil || len(runs[0].Points) != whole {
			t.Fatalf("cut at %d: %v %v, want %d points", cut, runs, err, whole)
		}
		told := false
		for _, w := range runs[0].Warnings {
			told = told || strings.Contains(w.Text, "cut off")
		}
		if told != (cut != ends[whole]) {
			t.Fatalf("cut at %d: %v", cut, runs[0].Warnings)
		}
	}
}
