package index

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// apply does what a plan says to the sizes and returns the rows it rewrites.
func apply(t interface{ Fatalf(string, ...any) }, sizes []int, plan [][]int) (after []int, written int) {
	used := map[int]bool{}
	for _, group := range plan {
		total := 0
		for _, i := range group {
			if used[i] {
				t.Fatalf("position %d is in two groups of %v", i, plan)
			}
			used[i] = true
			total += sizes[i]
		}
		if len(group) < 2 || total > 1<<25 {
			t.Fatalf("group of %d segments, %d rows", len(group), total)
		}
		after, written = append(after, total), written+total
	}
	for i, n := range sizes {
		if used[i] && n >= 1<<24 {
			t.Fatalf("segment of %d rows is merged", n)
		}
		if !used[i] {
			after = append(after, n)
		}
	}
	return after, written
}

func TestPlan(t *testing.T) {
	bounds := []int{0, 1 << 12, 1 << 15, 1 << 18, 1 << 21, 1 << 24}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 120).Draw(t, "count")
		sizes := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) int {
			return 1 << rapid.IntRange(0, 25).Draw(t, "log") * rapid.IntRange(1, 7).Draw(t, "times") / 4
		}), n, n).Draw(t, "sizes")
		for round := 0; ; round++ {
			plan := Plan(sizes)
			if len(plan) == 0 {
				break
			}
			if round == 10 {
				t.Fatalf("no end of merging %v", sizes)
			}
			sizes, _ = apply(t, sizes, plan)
		}
		for i, low := range bounds[:len(bounds)-1] {
			in := 0
			for _, n := range sizes {
				if n >= low && n < bounds[i+1] {
					in++
				}
			}
			if in > 8 {
				t.Fatalf("%d segments from %d rows stay: %v", in, low, sizes)
			}
		}
	})
}

// TestPlanSessions follows a vault through many sessions: few segments, each row rewritten a few times.
func TestPlanSessions(t *testing.T) {
	var sizes []int
	total, written, most := 0, 0, 0
	for i := range 30000 {
		n := 100 + i*7919%2000
		sizes = append(sizes, n)
		total += n
		plan := Plan(sizes)
		if len(plan) > 0 && len(sizes) <= 8 {
			t.Fatalf("%d segments are merged", len(sizes))
		}
		var w int
		sizes, w = apply(t, sizes, plan)
		written += w
		most = max(most, len(sizes))
	}
	sum := 0
	for _, n := range sizes {
		sum += n
	}
	if sum != total {
		t.Errorf("%d rows of %d are left", sum, total)
	}
	if most > 8*5+2 {
		t.Errorf("%d segments at once", most)
	}
	if written > 5*total {
		t.Errorf("%d rows written for %d", written, total)
	}
	if got := Plan([]int{5, 5, 5, 5, 5, 5, 5, 5, 1 << 30}); len(got) != 0 {
		t.Errorf("eight small segments are merged: %v", got)
	}
	if got := Plan([]int{5, 5, 5, 1 << 30, 5, 5, 5, 5, 5, 5}); len(got) != 1 || len(got[0]) != 9 || slices.Contains(got[0], 3) {
		t.Errorf("nine small segments: %v", got)
	}
}
