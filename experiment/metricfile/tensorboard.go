package metricfile

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"path"
	"strings"
)

// An event file is records: the length (8 bytes, little-endian), the masked CRC32C of the length, the bytes, their masked
// CRC32C. Each record is a message Event of TensorFlow's event.proto.

// isEvents reports whether a file's name is that of an event file.
func isEvents(name string) bool { return strings.Contains(path.Base(name), "tfevents") }

// masked is the CRC32C of bytes as TFRecord keeps it.
func masked(b []byte) uint32 {
	c := crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))
	return (c>>15 | c<<17) + 0xa282ead8
}

// framed reports whether bytes start as a record of plausible size does.
func framed(head []byte) bool {
	return len(head) >= 12 && masked(head[:8]) == binary.LittleEndian.Uint32(head[8:])
}

// maxRecord bounds a record: images and histograms are records too.
const maxRecord = 64 << 20

// errCutOff is that a file ends in the middle of a record.
var errCutOff = errors.New("the last record is cut off")

// records gives the records of an event file. What is given is valid until the next.
func (s *source) records(name string, each func(n int, b []byte) error) error {
	f, err := s.open(name, s.limits.File)
	if err != nil {
		return err
	}
	defer f.Close()
	in := bufio.NewReaderSize(f, 64<<10)
	var head [12]byte
	var tail [4]byte
	var b []byte
	for n := 1; ; n++ {
		if n%1024 == 0 && s.ctx.Err() != nil {
			return s.ctx.Err()
		}
		if got, err := io.ReadFull(in, head[:]); err == io.EOF {
			return nil
		} else if err != nil {
			return ended(err, got)
		}
		if masked(head[:8]) != binary.LittleEndian.Uint32(head[8:]) {
			return fmt.Errorf("record %d: the checksum of its length is wrong: the file is damaged", n)
		}
		size := binary.LittleEndian.Uint64(head[:8])
		if size > maxRecord {
			return fmt.Errorf("record %d: %w", n, over("bytes", int64(min(size, math.MaxInt64)), maxRecord))
		}
		if b, err = grow(in, b[:0], int(size)); err == nil {
			_, err = io.ReadFull(in, tail[:])
		}
		if err != nil {
			return ended(err, 1)
		}
		if masked(b) != binary.LittleEndian.Uint32(tail[:]) {
			return fmt.Errorf("record %d: its checksum is wrong: the file is damaged", n)
		}
		if err := each(n, b); err != nil {
			return err
		}
	}
}

// grow reads so many bytes, and takes memory only for what is there.
func grow(in io.Reader, b []byte, size int) ([]byte, error) {
	const step = 1 << 20
	for len(b) < size {
		n := min(step, size-len(b))
		start := len(b)
		b = append(b, make([]byte, n)...)
		if _, err := io.ReadFull(in, b[start:]); err != nil {
			return b, err
		}
	}
	return b, nil
}

func ended(err error, got int) error {
	if err == io.ErrUnexpectedEOF || err == io.EOF && got > 0 {
		return errCutOff
	}
	return err
}

// tensorboard reads a folder of event files: each folder in it that has some is a run, as in TensorBoard.
func (s *source) tensorboard(dir string) ([]Run, error) {
	var dirs []string
	known := map[string]bool{}
	err := s.walk(dir, func(file string) error {
		if at := path.Dir(file); isEvents(file) && !known[at] {
			known[at] = true
			dirs = append(dirs, at)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var runs []Run
	var errs []error
	for _, at := range dirs {
		run, err := s.eventFolder(at)
		if name := strings.TrimPrefix(strings.TrimPrefix(at, dir), "/"); name != "" {
			run.Name = name
		}
		if err == nil || len(run.Points) > 0 {
			runs = append(runs, run)
		}
		errs = append(errs, err)
		if errors.Is(err, ErrLimit) || s.ctx.Err() != nil {
			break
		}
	}
	return runs, errors.Join(errs...)
}

// eventFolder reads the event files of a folder, which are one run, in the order of their names: that of time.
func (s *source) eventFolder(dir string) (Run, error) {
	all, err := s.list(dir)
	if err != nil {
		return Run{}, err
	}
	b := s.build(path.Base(dir), dir, TensorBoard)
	if dir == "." {
		b.run.Name = TensorBoard
	}
	e := eventReader{b: b, plugins: map[string]string{}}
	var errs []error
	for _, entry := range all {
		if file := path.Join(dir, entry.Name()); isEvents(file) && !entry.IsDir() {
			errs = append(errs, e.file(file))
		}
	}
	return e.done(), errors.Join(errs...)
}

// events reads one event file.
func (s *source) events(name string) (Run, error) {
	run := titled(name)
	if dir := path.Base(path.Dir(name)); dir != "." && dir != "/" {
		run = dir
	}
	e := eventReader{b: s.build(run, name, TensorBoard), plugins: map[string]string{}}
	err := e.file(name)
	return e.done(), err
}

// An eventReader reads events into a run.
type eventReader struct {
	b       *build
	plugins map[string]string // tag → plugin: only the first value of a tag says it
	others  map[string]int    // kinds of values that are no scalars
	tags    map[string]string
}

func (e *eventReader) file(name string) error {
	version := false
	err := e.b.s.records(name, func(n int, b []byte) error {
		err := e.event(name, n, b, &version)
		if err == errWire {
			return fmt.Errorf("record %d: %w", n, err)
		}
		return err
	})
	if errors.Is(err, errCutOff) {
		e.b.warn(name, 0, "%v: the writer was stopped, or still writes", err)
		err = nil
	}
	if err == nil && !version {
		e.b.warn(name, 0, "no version of the format is named")
	}
	if err != nil && !errors.As(err, new(*Error)) && e.b.s.ctx.Err() == nil {
		err = &Error{File: name, Err: err}
	}
	return err
}

func (e *eventReader) done() Run {
	for _, what := range []string{"histograms", "images", "sounds", "texts", "tensors that are no scalars", "values of other plugins"} {
		if n := e.others[what]; n > 0 {
			e.b.note("%d %s are left out", n, what)
		}
	}
	e.b.empty()
	return e.b.done()
}

func (e *eventReader) other(what string) {
	if e.others == nil {
		e.others = map[string]int{}
	}
	e.others[what]++
}

// event reads an Event: wall_time 1, step 2, file_version 3, summary 5, session_log 7.
func (e *eventReader) event(file string, n int, b []byte, version *bool) error {
	r := row{hasStep: true} // the step 0 is not written
	var summaries [][]byte
	var restarts []byte
	err := message(b, func(f field) error {
		switch {
		case f.number == 1 && f.kind == 1:
			if v := math.Float64frombits(f.n); v > 0 && v < 1e11 {
				r.at = seconds(v)
			}
		case f.number == 2 && f.kind == 0:
			r.step = int64(f.n)
		case f.number == 3 && f.kind == 2:
			*version = true
			if v := string(f.b); v != "brain.Event:2" {
				e.b.warn(file, 0, "version %q of the format is not known, and is read as brain.Event:2", short(v))
			}
		case f.number == 5 && f.kind == 2:
			summaries = append(summaries, f.b)
		case f.number == 7 && f.kind == 2:
			restarts = f.b
		}
		return nil
	})
	if err == nil && restarts != nil {
		err = e.restart(file, restarts, r.step)
	}
	for _, summary := range summaries {
		if err == nil {
			err = message(summary, func(f field) error {
				if f.number != 1 || f.kind != 2 {
					return nil
				}
				return e.value(file, n, f.b, r)
			})
		}
	}
	return err
}

// restart takes a SessionLog: where it says START (status 1 is 1), what was logged of this step and later is void, for the
// program went back to a checkpoint.
func (e *eventReader) restart(file string, b []byte, step int64) error {
	start := false
	err := message(b, func(f field) error {
		start = start || f.number == 1 && f.kind == 0 && f.n == 1
		return nil
	})
	if err != nil || !start {
		return err
	}
	kept := e.b.run.Points[:0]
	for _, p := range e.b.run.Points {
		if p.Step < step {
			kept = append(kept, p)
		}
	}
	if void := len(e.b.run.Points) - len(kept); void > 0 {
		e.b.warn(file, 0, "the program started again at step %d: %d points that it had logged of this step and later are void", step, void)
	}
	e.b.run.Points = kept
	return nil
}

// value reads a Summary.Value: tag 1, simple_value 2, histogram 3 and 5, image 4, audio 6, tensor 8, metadata 9.
func (e *eventReader) value(file string, n int, b []byte, r row) error {
	var tag string
	var v float64
	var what string
	var tensor, meta []byte
	err := message(b, func(f field) error {
		switch {
		case f.number == 1 && f.kind == 2:
			tag = e.name(f.b)
		case f.number == 2 && f.kind == 5:
			v, what = float64(math.Float32frombits(uint32(f.n))), "scalar"
		case f.number == 3 || f.number == 5:
			what = "histograms"
		case f.number == 4:
			what = "images"
		case f.number == 6:
			what = "sounds"
		case f.number == 8 && f.kind == 2:
			tensor = f.b
		case f.number == 9 && f.kind == 2:
			meta = f.b
		}
		return nil
	})
	if err != nil {
		return err
	}
	if meta != nil {
		if err := e.plugin(tag, meta); err != nil {
			return err
		}
	}
	if tensor != nil {
		if plugin := e.plugins[tag]; plugin != "" && plugin != "scalars" {
			e.other(pluginValues(plugin))
			return nil
		}
		if v, what, err = scalar(tensor); err != nil {
			return fmt.Errorf("record %d: %s: %w", n, short(tag), err)
		}
	}
	switch {
	case what == "":
		return nil
	case what != "scalar":
		e.other(what)
		return nil
	case tag == "":
		e.b.warn(file, 0, "record %d has a value without a name: left out", n)
		return nil
	}
	return e.b.add(file, 0, r.point(tag, v))
}

// name keeps one copy of each tag.
func (e *eventReader) name(b []byte) string {
	if s, ok := e.tags[string(b)]; ok {
		return s
	}
	s := strings.ToValidUTF8(string(b), "\uFFFD")
	if e.tags == nil {
		e.tags = map[string]string{}
	}
	if len(e.tags) < 1<<16 {
		e.tags[string(b)] = s
	}
	return s
}

// plugin takes the plugin's name from SummaryMetadata: plugin_data 1 with plugin_name 1.
func (e *eventReader) plugin(tag string, meta []byte) error {
	return message(meta, func(f field) error {
		if f.number != 1 || f.kind != 2 {
			return nil
		}
		return message(f.b, func(f field) error {
			if f.number == 1 && f.kind == 2 && len(e.plugins) < 1<<16 {
				e.plugins[tag] = short(string(f.b))
			}
			return nil
		})
	})
}

func pluginValues(plugin string) string {
	switch plugin {
	case "histograms", "images":
		return plugin
	case "audio":
		return "sounds"
	case "text":
		return "texts"
	}
	return "values of other plugins"
}
