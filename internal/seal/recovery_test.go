package seal

import (
	"errors"
	"strings"
	"testing"
)

func TestRecoveryText(t *testing.T) {
	for seed := range byte(20) {
		r := Recovery(randomBytes(seed, 32))
		text := r.String()
		if len(text) != 14*5-1 {
			t.Fatalf("%q", text)
		}
		for _, typed := range []string{text, strings.ToLower(text), strings.ReplaceAll(text, "-", ""), strings.ReplaceAll(text, "-", " "),
			" " + text[:34] + "\n" + text[35:] + "\n", strings.NewReplacer("1", "l", "0", "o").Replace(text)} {
			got, err := ParseRecovery([]byte(typed))
			if err != nil || got != r {
				t.Errorf("%q: %v", typed, err)
			}
		}
	}
}

// Letters are worth their place in the alphabet: the text of a known key, worked out by hand.
func TestRecoveryKnown(t *testing.T) {
	got := Recovery{}.String()
	if !strings.HasPrefix(got, "0000-0000-0000-0000-0000-0000-0") || got[35:65] != "0000-0000-0000-0000-0000-0000-" {
		t.Errorf("%q", got)
	}
	if got := (Recovery{0: 0xff, 1: 0x80}).String(); !strings.HasPrefix(got, "ZY00-") {
		t.Errorf("%q", got)
	}
}

// TestRecoveryTypingErrors: one wrong symbol, or two that changed places, are seen, and their line is named.
func TestRecoveryTypingErrors(t *testing.T) {
	text := Recovery(randomBytes(5, 32)).String()
	missed := 0
	for i, c := range text {
		if c == '-' {
			continue
		}
		for _, by := range recoveryAlphabet {
			if by == c {
				continue
			}
			_, err := ParseRecovery([]byte(text[:i] + string(by) + text[i+1:]))
			line := "the first line of"
			if i > 34 {
				line = "the second line of"
			}
			if !errors.Is(err, ErrTyping) || !errors.Is(err, ErrWrongKey) {
				missed++
			} else if !strings.Contains(err.Error(), line) {
				t.Fatalf("%d: %v", i, err)
			}
		}
	}
	if missed > 4 { // of 1736, each with a chance of 1 in 4096
		t.Errorf("%d typing errors passed", missed)
	}
	for _, bad := range []string{text[1:], text[:len(text)-3], text + "7"} {
		if _, err := ParseRecovery([]byte(bad)); !errors.Is(err, ErrTyping) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	for _, bad := range []string{"", "correct horse", text[:20], text + "!", text + text, strings.Repeat("A", 5000)} {
		if _, err := ParseRecovery([]byte(bad)); errors.Is(err, ErrTyping) || !errors.Is(err, ErrWrongKey) {
			t.Errorf("%.30q: %v", bad, err)
		}
	}
}

func FuzzParseRecovery(f *testing.F) {
	f.Add([]byte(Recovery{1}.String()))
	f.Add([]byte("0O1l i-\u2011"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ParseRecovery(b)
		if err != nil {
			if !errors.Is(err, ErrWrongKey) {
				t.Fatal(err)
			}
			return
		}
		if again, err := ParseRecovery([]byte(r.String())); err != nil || again != r {
			t.Fatalf("%q: %v", b, err)
		}
	})
}
