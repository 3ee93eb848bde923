package experiment

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
	"testing"
)

func TestParseCondition(t *testing.T) {
	for text, want := range map[string]Condition{
		"auroc<0.9": {"auroc", "<", 0.9}, "auroc <= 0.9": {"auroc", "<=", 0.9}, " a>1e3 ": {"a", ">", 1000}, "loss>=-2": {"loss", ">=", -2}, "x==0": {"x", "==", 0}, "x=0": {"x", "==", 0},
		"x!=1": {"x", "!=", 1}, "val/acc top<inf": {"val/acc top", "<", math.Inf(1)}, "x<0x1p-2": {"x", "<", 0.25},
	} {
		if got, err := ParseCondition(text); err != nil || got != want {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "auroc", "<1", " <1", "a<", "a<b", "a<nan", "a=<1", "a<<1", "a<>1", "a!1", "a<1<2", "a===1", "a=!1"} {
		if got, err := ParseCondition(text); err == nil {
			t.Errorf("%q is taken for %+v", text, got)
		} else {
			mustFail(t, err, text)
		}
	}
	for _, c := range []struct {
		text string
		v    float64
		want bool
	}{{"m<1", 0.9, true}, {"m<1", 1, false}, {"m<=1", 1, true}, {"m>1", 1, false}, {"m>1", 1.1, true}, {"m>=1", 1, true}, {"m==1", 1, true}, {"m==1", 2, false}, {"m!=1", 1, false}, {"m!=1", 2, true},
		{"m<1", math.NaN(), true}, {"m>1", math.NaN(), true}, {"m<1", math.Inf(-1), true}} {
		cond, err := ParseCondition(c.text)
		if err != nil || cond.Holds(c.v) != c.want {
			t.Errorf("%s of %v: %v, %v", c.text, c.v, !c.want, err)
		}
	}
}

// TestSearch: a change is found among n versions in ⌈log₂ n⌉ answers, wherever it is.
func TestSearch(t *testing.T) {
	for n := 1; n <= 300; n++ {
		for change := range n {
			if !*long && n > 40 && change != 0 && change != n-1 && (change+n)%17 != 0 {
				continue
			}
			b := searchAmong(n)
			answers := 0
			for ; ; answers++ {
				if left := b.Left(); answers+left > bits.Len(uint(n-1)) {
					t.Fatalf("%d versions, the change at %d: %d answers were given and %d are left", n, change, answers, left)
				}
				next, err := b.Next()
				if err != nil {
					t.Fatal(err)
				}
				if next == nil {
					break
				}
				word := Good
				if next.Version-2 >= change {
					word = Bad
				}
				if err := b.Answer(next, word); err != nil {
					t.Fatal(err)
				}
			}
			if s := b.Suspects(); len(s) != 1 || s[0] != b.steps[change] || answers > bits.Len(uint(n-1)) {
				t.Fatalf("%d versions, the change at %d: %d suspects after %d answers", n, change, len(s), answers)
			}
		}
	}
}

// TestSearchSkips: with versions that cannot be judged, what is left are the change and skipped ones before it, never
// without it; the search ends.
func TestSearchSkips(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 8))
	for range 2000 {
		n := 1 + r.IntN(40)
		b := searchAmong(n)
		change := r.IntN(n)
		skipped := make([]bool, n)
		for i := range skipped {
			skipped[i] = r.IntN(3) == 0
		}
		for answers := 0; ; answers++ {
			next, err := b.Next()
			if err != nil || answers > n {
				t.Fatalf("%d answers for %d versions: %v", answers, n, err)
			}
			if next == nil {
				break
			}
			word := Good
			switch i := next.Version - 2; {
			case skipped[i]:
				word = Skip
			case i >= change:
				word = Bad
			}
			if err := b.Answer(next, word); err != nil {
				t.Fatal(err)
			}
		}
		found := false
		suspects := b.Suspects()
		for i, s := range suspects {
			found = found || s == b.steps[change]
			if i < len(suspects)-1 && !skipped[s.Version-2] {
				t.Fatalf("v%d was judged and is suspected", s.Version)
			}
		}
		if !found {
			t.Fatalf("the change at %d is not among %d suspects", change, len(suspects))
		}
	}
}

func TestSearchContradiction(t *testing.T) {
	b := searchAmong(10)
	for i, word := range map[int]string{2: Bad, 6: Good} {
		if err := b.Answer(b.steps[i], word); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.Next(); !errors.Is(err, ErrContradiction) {
		t.Errorf("good after bad: %v", err)
	}
	if b.Suspects() != nil {
		t.Error("a contradiction has suspects")
	}
	mustFail(t, b.Answer(b.steps[1], "perhaps"), "perhaps", "good, bad or skip")
	mustFail(t, b.Answer(searchAmong(20).steps[15], Good), "v17")
}

// TestSearchReturns: a version with the contents of an earlier one, as every rollback makes, is a step of its own.
func TestSearchReturns(t *testing.T) {
	for change := range 8 {
		b := searchAmong(8)
		b.steps[5].Root = b.steps[1].Root // what it was
		answers := 0
		for ; answers < 20; answers++ {
			next, err := b.Next()
			if err != nil {
				t.Fatalf("the change at %d: %v", change, err)
			}
			if next == nil {
				break
			}
			word := Good
			if next.Version-2 >= change {
				word = Bad
			}
			if err := b.Answer(next, word); err != nil {
				t.Fatal(err)
			}
		}
		if s := b.Suspects(); answers > 3 || len(s) != 1 || s[0].Version-2 != change {
			t.Errorf("the change at %d: %d answers, %d suspects", change, answers, len(s))
		}
	}
}

// TestSearchLaid: what is searched are versions whose contents differ from the one before.
func TestSearchLaid(t *testing.T) {
	r := newRig(t)
	good := r.snap(map[string]string{"a.py": "1"})
	same := r.snap(nil)
	two := r.snap(map[string]string{"a.py": "2"})
	also := r.snap(nil)
	bad := r.snap(map[string]string{"a.py": "3"})
	b, err := r.Bisect(good, bad)
	if err != nil {
		t.Fatal(err)
	}
	if s := b.Steps(); len(s) != 2 || s[0].ID != two.ID || s[1].ID != bad.ID {
		t.Errorf("%d steps", len(s))
	}
	if err := b.Answer(also, Bad); err != nil || b.Answers[two.ID.String()] != Bad {
		t.Errorf("a version with the contents of a step: %v, %v", err, b.Answers)
	}
	if err := r.Resume(&Bisection{Good: b.Good, Bad: b.Bad, Answers: b.Answers}); err != nil {
		t.Error(err)
	}
	_, err = r.Bisect(bad, good)
	mustFail(t, err, "good version comes first")
	_, err = r.Bisect(good, same)
	mustFail(t, err, "same contents")
	mustFail(t, r.Resume(&Bisection{Good: fmt.Sprintf("%032x", 5), Bad: b.Bad}))
}

func TestAnswerOf(t *testing.T) {
	for exit, want := range map[int]string{0: Good, 1: Bad, 7: Bad, 124: Bad, 125: Skip, 126: Bad, 127: Bad, 128: "", 130: "", 137: "", 255: "", -1: ""} {
		if got, ok := AnswerOf(exit); got != want || ok != (want != "") {
			t.Errorf("exit code %d: %q, %v", exit, got, ok)
		}
	}
}
