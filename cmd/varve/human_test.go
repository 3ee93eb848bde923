package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"varve"
)

func TestSize(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 14_200_000: "14.2 MB", 999_949: "999.9 kB", 999_950: "1.0 MB", 1 << 62: "4.6 EB"} {
		if got := size(n); got != want {
			t.Errorf("size(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestCount(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1234: "1,234", 1234567: "1,234,567", -1234: "-1,234", -123: "-123"} {
		if got := count(n); got != want {
			t.Errorf("count(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestPlural(t *testing.T) {
	for want, got := range map[string]string{"1 file": plural(1, "file"), "0 files": plural(0, "file"), "2,000 entries": plural(2000, "entry"), "2 keys": plural(2, "key")} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestAge(t *testing.T) {
	now := time.Date(2026, 11, 19, 12, 0, 0, 0, time.UTC)
	for d, want := range map[time.Duration]string{0: "just now", 59 * time.Second: "59 seconds ago", time.Minute: "1 minute ago", 2*time.Hour + 59*time.Minute: "2 hours ago",
		47 * time.Hour: "1 day ago", 40 * 24 * time.Hour: "2026-10-10", -time.Hour: "2026-11-19 13:00"} {
		if got := age(now.Add(-d), now); got != want {
			t.Errorf("age of %v = %q, want %q", d, got, want)
		}
	}
}

func TestName(t *testing.T) {
	for s, want := range map[string]string{"a b": "a b", "größe.kra": "größe.kra", `say "hi"\`: `say "hi"\`, "x\x1b[2Jy": `x\x1b[2Jy`, "a\nb": `a\nb`, "\xff": `\xff`,
		"a\"\x07": `a"\a`, "\u202egnp.exe": `\u202egnp.exe`} {
		if got := name(s); got != want {
			t.Errorf("name(%q) = %s, want %s", s, got, want)
		}
	}
	if got := lines("a\n\tb\x1b"); got != "a\n\tb\\x1b" {
		t.Errorf("lines: %q", got)
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"json", "jsno", 2}, {"vault", "valt", 1}, {"", "abc", 3}, {"kitten", "sitting", 3}} {
		if got := distance(c.a, c.b); got != c.want {
			t.Errorf("distance(%q, %q) = %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

// clock is a time that tests set.
type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func TestMeterPlain(t *testing.T) {
	c := &clock{time.Unix(0, 0)}
	var out bytes.Buffer
	m := &meter{w: &out, now: c.now}
	for i := range 25 {
		m.tell(varve.Event{Verb: "snap", Bytes: int64(i) * 1e6, TotalBytes: 100e6, Read: int64(i) * 1e5, Stored: int64(i) * 1e4})
		c.t = c.t.Add(time.Second)
	}
	want := "snap 10.0 MB of ~100.0 MB · new 1.0 MB → stored 100.0 kB · left ~1 min 30 s\n" +
		"snap 20.0 MB of ~100.0 MB · new 2.0 MB → stored 200.0 kB · left ~1 min 20 s\n"
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}

func TestMeterLive(t *testing.T) {
	c := &clock{time.Unix(0, 0)}
	var out bytes.Buffer
	m := &meter{w: &out, now: c.now, live: true, width: func() int { return 20 }}
	for range 3 {
		m.tell(varve.Event{Verb: "verify", Bytes: 123456789, TotalBytes: 987654321})
		c.t = c.t.Add(time.Second)
	}
	for _, line := range strings.Split(out.String(), "\r\x1b[K")[1:] {
		if n := len([]rune(line)); n > 19 {
			t.Errorf("line of %d cells on 20: %q", n, line)
		}
	}
	m.clear()
	if !strings.HasSuffix(out.String(), "\r\x1b[K") {
		t.Errorf("the line stays: %q", out.String())
	}
}

// TestRate wants no guess before it is stable, and one that follows a change of speed.
func TestRate(t *testing.T) {
	var r rate
	at := time.Unix(0, 0)
	done := int64(0)
	step := func(n int, speed int64) {
		for range n {
			r.add(at, done)
			at = at.Add(time.Second)
			done += speed
		}
	}
	step(3, 1000)
	if _, ok := r.left(1000); ok {
		t.Error("a guess after two seconds")
	}
	step(10, 1000)
	if d, ok := r.left(5000); !ok || d != 5*time.Second {
		t.Errorf("left %v %v, want 5s", d, ok)
	}
	step(60, 100)
	if d, ok := r.left(5000); !ok || d < 45*time.Second || d > 51*time.Second {
		t.Errorf("left %v %v after it became slow, want about 50s", d, ok)
	}
	if _, ok := r.left(1 << 50); ok {
		t.Error("a guess of years")
	}
}

// FuzzName wants nothing of a name to reach a terminal but what prints, and names without it unchanged.
func FuzzName(f *testing.F) {
	for _, s := range []string{"", "a b", "\x1b[2J", "\xff\xfe", "\u202e", "a\nb", `"\`, "\ufffd"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := name(s)
		plain := utf8.ValidString(s)
		for _, r := range s {
			plain = plain && unicode.IsPrint(r) && r != utf8.RuneError
		}
		if plain && got != s {
			t.Errorf("name(%q) = %q", s, got)
		}
		for _, r := range got {
			if !unicode.IsPrint(r) {
				t.Errorf("name(%q) = %q holds %q", s, got, r)
			}
		}
		if !utf8.ValidString(got) {
			t.Errorf("name(%q) = %q is no text", s, got)
		}
	})
}
