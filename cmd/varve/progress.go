package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"varve"
)

// meter shows progress: one line redrawn on a terminal, one plain line every ten seconds elsewhere, JSON
// lines on request. It draws when it is told of something and has no goroutine. It is safe for concurrent
// use, and nil shows nothing.
type meter struct {
	mu    sync.Mutex
	w     io.Writer
	live  bool
	width func() int
	now   func() time.Time
	emit  func(any) error // not nil: JSON lines instead

	began, drawn time.Time
	shown        bool // a line stands on the terminal
	rate         rate
}

const (
	redrawEvery = 100 * time.Millisecond
	plainEvery  = 10 * time.Second
)

type progressJSON struct {
	Schema     string  `json:"schema"`
	Verb       string  `json:"verb"`
	Files      int64   `json:"files"`
	Bytes      int64   `json:"bytes"`
	Read       int64   `json:"read_bytes"`
	TotalFiles int64   `json:"total_files"`
	TotalBytes int64   `json:"total_bytes"`
	Stored     int64   `json:"stored_bytes"`
	Errors     int64   `json:"errors"`
	Seconds    float64 `json:"seconds"`
}

// tell takes an event.
func (m *meter) tell(ev varve.Event) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	if m.began.IsZero() {
		m.began, m.drawn = now, now
	}
	every := plainEvery
	if m.live {
		every = redrawEvery
	} else if m.emit != nil {
		every = time.Second
	}
	m.rate.add(now, ev.Bytes)
	if now.Sub(m.drawn) < every {
		return
	}
	m.drawn = now
	switch {
	case m.emit != nil:
		_ = m.emit(progressJSON{"varve.progress/1", ev.Verb, ev.Files, ev.Bytes, ev.Read, ev.TotalFiles, ev.TotalBytes, ev.Stored, ev.Errors, now.Sub(m.began).Seconds()})
	case m.live:
		line := []rune(m.line(ev))
		if w := m.width() - 1; len(line) > w && w > 0 {
			line = line[:w]
		}
		fmt.Fprintf(m.w, "\r\x1b[K%s", string(line))
		m.shown = true
	default:
		fmt.Fprintln(m.w, m.line(ev))
	}
}

// line keeps apart what was looked at and what was stored: the first is not the second's measure.
func (m *meter) line(ev varve.Event) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", ev.Verb, size(ev.Bytes))
	if ev.TotalBytes > 0 {
		fmt.Fprintf(&b, " of ~%s", size(max(ev.TotalBytes, ev.Bytes)))
	}
	if ev.Read > 0 || ev.Stored > 0 {
		fmt.Fprintf(&b, " · new %s", size(ev.Read))
		if ev.Stored > 0 {
			fmt.Fprintf(&b, " → stored %s", size(ev.Stored))
		}
	}
	if ev.TotalBytes > 0 {
		left := "~"
		if d, ok := m.rate.left(ev.TotalBytes - ev.Bytes); ok {
			left = "~" + lasting(d.Round(time.Second))
		}
		fmt.Fprintf(&b, " · left %s", left)
	}
	if ev.Errors > 0 {
		fmt.Fprintf(&b, " · %s", plural(ev.Errors, "error"))
	}
	return b.String()
}

// clear takes the line off the terminal.
func (m *meter) clear() {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.shown {
		fmt.Fprint(m.w, "\r\x1b[K")
		m.shown = false
	}
}

// rate is a speed in bytes a second, smoothed over about ten seconds.
type rate struct {
	began, last time.Time
	done        int64
	speed       float64
}

const (
	rateStep   = 500 * time.Millisecond
	rateMemory = 10 * time.Second
	rateStable = 3 * time.Second // no guess before
	longest    = 99 * time.Hour  // nor a longer one
)

func (r *rate) add(now time.Time, done int64) {
	if r.began.IsZero() {
		r.began, r.last, r.done = now, now, done
		return
	}
	d := now.Sub(r.last)
	if d < rateStep {
		return
	}
	speed := max(0, float64(done-r.done)) / d.Seconds()
	weight := min(1, d.Seconds()/min(rateMemory, now.Sub(r.began)).Seconds())
	r.speed += weight * (speed - r.speed)
	r.last, r.done = now, done
}

// left guesses how long bytes take.
func (r *rate) left(bytes int64) (time.Duration, bool) {
	if r.speed <= 0 || r.last.Sub(r.began) < rateStable {
		return 0, false
	}
	seconds := max(0, float64(bytes)) / r.speed
	if seconds > longest.Seconds() {
		return 0, false
	}
	return time.Duration(seconds * float64(time.Second)), true
}
