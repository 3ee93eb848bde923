package main

import (
	"fmt"
	"iter"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// size writes bytes for people, in powers of ten: 999 B, 14.2 MB.
func size(n int64) string {
	if n < 1000 {
		return strconv.FormatInt(n, 10) + " B"
	}
	f, unit := float64(n), 0
	// Rounded to one place, 999,950 is already 1.0 MB.
	for f >= 999.95 && unit < 6 {
		f /= 1000
		unit++
	}
	return strconv.FormatFloat(f, 'f', 1, 64) + " " + string(" kMGTPE"[unit]) + "B"
}

// count writes a number with its thousands apart.
func count[T int | int64 | uint64](n T) string {
	s := fmt.Sprint(n)
	sign := ""
	if s[0] == '-' {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// plural writes a number and its noun.
func plural[T int | int64 | uint64](n T, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if stem, ok := strings.CutSuffix(noun, "y"); ok && !strings.HasSuffix(stem, "e") {
		return count(n) + " " + stem + "ies"
	}
	return count(n) + " " + noun + "s"
}

// percent writes a share of a whole; nothing of nothing is 0 %.
func percent(part, whole int64) string {
	if whole <= 0 {
		return "0 %"
	}
	return strconv.FormatFloat(math.Round(100*float64(part)/float64(whole)), 'f', 0, 64) + " %"
}

// age says how long ago t was, in the largest unit that fits.
func age(t, now time.Time) string {
	d := now.Sub(t)
	switch {
	case d < -time.Minute:
		return t.In(now.Location()).Format("2006-01-02 15:04") // a clock was wrong
	case d < 10*time.Second:
		return "just now"
	case d < time.Minute:
		return plural(int64(d/time.Second), "second") + " ago"
	case d < time.Hour:
		return plural(int64(d/time.Minute), "minute") + " ago"
	case d < 24*time.Hour:
		return plural(int64(d/time.Hour), "hour") + " ago"
	case d < 30*24*time.Hour:
		return plural(int64(d/(24*time.Hour)), "day") + " ago"
	}
	return t.In(now.Location()).Format("2006-01-02")
}

// lasting writes a duration for people: 0.4 s, 2.1 s, 3 min 20 s, 2 h 5 min.
func lasting(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s"
	case d < time.Minute:
		return strconv.FormatInt(int64(d/time.Second), 10) + " s"
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", d/time.Minute, d%time.Minute/time.Second)
	}
	return fmt.Sprintf("%d h %d min", d/time.Hour, d%time.Hour/time.Minute)
}

// name makes a file's name safe to print: what would steer a terminal, or is not text, is escaped.
func name(s string) string { return escape(s, false) }

// lines is name for text that may have line ends and tabs.
func lines(s string) string { return escape(s, true) }

func escape(s string, layout bool) string {
	clean := true
	for _, r := range s {
		if r == utf8.RuneError || !unicode.IsPrint(r) && !(layout && (r == '\n' || r == '\t')) {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if layout && (r == '\n' || r == '\t') {
			b.WriteRune(r)
		} else {
			quoted := strconv.Quote(s[i : i+n])
			if r == '"' || r == '\\' {
				quoted = `"` + string(r) + `"`
			}
			b.WriteString(quoted[1 : len(quoted)-1])
		}
		i += n
	}
	return b.String()
}

// stamp writes a time for people, in their zone.
func stamp(t, now time.Time) string { return t.In(now.Location()).Format("2006-01-02 15:04:05") }

// number writes a measured number with as many digits as tell something.
func number(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }

// sorted yields a map in the order of its keys.
func sorted[V any](m map[string]V) iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			if !yield(k, m[k]) {
				return
			}
		}
	}
}
