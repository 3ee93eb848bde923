package main

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"varve/format/tensor"
	"varve/format/weights"
)

type tensorsJSON struct {
	Tensors  tensorCountsJSON `json:"tensors"`
	Pairs    []tensorJSON     `json:"per_tensor"`
	Metadata []metadataJSON   `json:"metadata"`
	Adapters []adapterJSON    `json:"adapters"`
	Frozen   []frozenJSON     `json:"frozen"`
}

type tensorCountsJSON struct {
	Added     int      `json:"added"`
	Removed   int      `json:"removed"`
	Retyped   int      `json:"retyped"`
	Reshaped  int      `json:"reshaped"`
	Changed   int      `json:"changed"`
	Unchanged int      `json:"unchanged"`
	Delta     float64  `json:"delta_norm"`
	Relative  *float64 `json:"relative_norm"` // null: infinite
	NaN       int64    `json:"nan"`
	Inf       int64    `json:"inf"`
	Read      int64    `json:"bytes_read"`
}

type tensorJSON struct {
	Name     string     `json:"name"`
	Verdict  string     `json:"verdict"`
	Old      *arrayJSON `json:"old"`
	New      *arrayJSON `json:"new"`
	Words    int64      `json:"words"`
	Equal    int64      `json:"equal_words"`
	Delta    *float64   `json:"delta_norm"`
	Relative *float64   `json:"relative_norm"` // null: not known, or infinite
	Most     *float64   `json:"max_abs"`
	Cosine   *float64   `json:"cosine"` // null: not known, or one is all zeros
	Note     string     `json:"note"`
}

// arrayJSON is one side of a tensor; its numbers are there where the tensor differs.
type arrayJSON struct {
	DType string      `json:"dtype"`
	Shape []int64     `json:"shape"`
	Bytes int64       `json:"bytes"`
	Stats *arrayStats `json:"stats"`
}

type arrayStats struct {
	NaN       int64   `json:"nan"`
	Inf       int64   `json:"inf"`
	Zeros     int64   `json:"zeros"`
	Min       float64 `json:"min"`
	Max       float64 `json:"max"`
	Mean      float64 `json:"mean"`
	Std       float64 `json:"std"`
	Norm      float64 `json:"norm"`
	Histogram []int64 `json:"histogram"` // of |x|, by powers of two
	Low       int     `json:"histogram_low"`
}

type metadataJSON struct {
	Key string `json:"key"`
	Old string `json:"old"`
	New string `json:"new"`
}

type adapterJSON struct {
	Layer string  `json:"layer"`
	Rank  int64   `json:"rank"`
	Scale float64 `json:"scale"`
	Alpha bool    `json:"alpha_known"`
	Old   float64 `json:"old_norm"`
	New   float64 `json:"new_norm"`
	Delta float64 `json:"delta_norm"`
	Note  string  `json:"note"`
}

type frozenJSON struct {
	Pattern string   `json:"pattern"`
	Matched int      `json:"matched"`
	Broken  []string `json:"changed"`
}

// known is a number that JSON can hold; null where it is none.
func known(x float64) *float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return nil
	}
	return &x
}

func tensorsOf(c *tensor.Comparison) *tensorsJSON {
	j := &tensorsJSON{Pairs: []tensorJSON{}, Metadata: []metadataJSON{}, Adapters: []adapterJSON{}, Frozen: []frozenJSON{},
		Tensors: tensorCountsJSON{c.Added, c.Removed, c.Retyped, c.Reshaped, c.Changed, c.Unchanged, finite(c.Delta), known(c.Relative), c.NaN, c.Inf, c.Read}}
	for i := range c.Pairs {
		p := &c.Pairs[i]
		t := tensorJSON{Name: p.Name, Verdict: string(p.Verdict), Old: arrayOf(p.Old, &p.OldStats, p.Numbers), New: arrayOf(p.New, &p.NewStats, p.Numbers), Words: p.Words, Equal: p.Equal, Note: p.Note}
		if p.Numbers {
			t.Delta, t.Relative, t.Most, t.Cosine = known(p.Delta), known(p.Relative), known(p.Most), known(p.Cosine)
		}
		j.Pairs = append(j.Pairs, t)
	}
	for _, m := range c.Metadata {
		j.Metadata = append(j.Metadata, metadataJSON(m))
	}
	for _, a := range c.Adapters {
		j.Adapters = append(j.Adapters, adapterJSON{a.Layer, a.Rank, a.Scale, a.Alpha, finite(a.Old), finite(a.New), finite(a.Delta), a.Note})
	}
	for _, f := range c.Frozen {
		j.Frozen = append(j.Frozen, frozenJSON{f.Pattern, f.Matched, append([]string{}, f.Broken...)})
	}
	return j
}

func arrayOf(t *tensor.Tensor, s *tensor.Stats, numbers bool) *arrayJSON {
	if t == nil {
		return nil
	}
	j := &arrayJSON{DType: t.TypeName(), Shape: append([]int64{}, t.Shape...), Bytes: t.Size}
	if numbers {
		j.Stats = &arrayStats{s.NaN, s.Inf, s.Zeros, finite(s.Min), finite(s.Max), finite(s.Mean), finite(s.Std), finite(s.Norm), append([]int64{}, s.Histogram...), s.Low}
	}
	return j
}

// tellTensors prints what differs, what changed most first.
func (e *env) tellTensors(c *tensor.Comparison) {
	said := []string{}
	for _, of := range []struct {
		n    int
		word string
	}{{c.Changed, "changed"}, {c.Unchanged, "unchanged"}, {c.Added, "added"}, {c.Removed, "removed"}, {c.Retyped, "of another type"}, {c.Reshaped, "of another shape"}} {
		if of.n > 0 {
			said = append(said, count(of.n)+" "+of.word)
		}
	}
	e.printf("%s: %s", plural(len(c.Pairs), "tensor"), strings.Join(said, ", "))
	if c.Delta > 0 {
		e.printf("; ‖Δ‖/‖W‖ %.4g of those that changed", c.Relative)
	}
	e.printf("\n")
	if c.NaN+c.Inf > 0 {
		e.printf("  warning: of what changed, %s and %s\n", plural(c.NaN, "NaN"), plural(c.Inf, "infinity"))
	}
	var differ []*tensor.Pair
	width := 0
	for i := range c.Pairs {
		if p := &c.Pairs[i]; p.Verdict != tensor.Unchanged {
			differ = append(differ, p)
		}
	}
	slices.SortStableFunc(differ, func(a, b *tensor.Pair) int {
		return int(math.Copysign(1, b.Relative-a.Relative)) * different(a.Relative, b.Relative)
	})
	for _, p := range differ[:min(len(differ), 40)] {
		width = max(width, min(60, len(name(p.Name))))
	}
	for i, p := range differ {
		if i == 40 {
			e.printf("  and %s more\n", count(len(differ)-40))
			break
		}
		e.printf("  %-*s  %s\n", width, name(p.Name), tensorLine(p))
	}
	for _, a := range c.Adapters {
		scale := fmt.Sprintf("alpha/rank %.4g", a.Scale)
		if !a.Alpha {
			scale = "alpha not in the file"
		}
		if a.Note != "" {
			scale += ", " + a.Note
		}
		e.printf("  adapter %s: rank %d, ‖ΔW‖ %.5g → %.5g, of the difference %.5g (%s)\n", name(a.Layer), a.Rank, a.Old, a.New, a.Delta, lines(scale))
	}
	for _, f := range c.Frozen {
		switch {
		case f.Matched == 0:
			e.printf("  frozen %s: no tensor has such a name\n", name(f.Pattern))
		case len(f.Broken) == 0:
			e.printf("  frozen %s: all %s as they were\n", name(f.Pattern), count(f.Matched))
		default:
			e.printf("  frozen %s: %s of %s NOT as they were: %s\n", name(f.Pattern), count(len(f.Broken)), count(f.Matched), name(strings.Join(f.Broken[:min(len(f.Broken), 5)], ", ")))
		}
	}
	for i, m := range c.Metadata {
		if i == 10 {
			e.printf("  and %s more of metadata\n", count(len(c.Metadata)-10))
			break
		}
		e.printf("  metadata %s: %s → %s\n", name(m.Key), name(brief(m.Old)), name(brief(m.New)))
	}
}

// different is 0 for equal numbers, and for those that have no order.
func different(a, b float64) int {
	if a == b || a != a || b != b {
		return 0
	}
	return 1
}

func brief(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return s
}

func tensorLine(p *tensor.Pair) string {
	of := func(t *tensor.Tensor) string { return t.TypeName() + " " + weights.Shape(t.Shape) }
	more := []string{string(p.Verdict)}
	switch {
	case p.Old == nil:
		more = append(more, of(p.New))
	case p.New == nil:
		more = append(more, of(p.Old))
	case p.Verdict == tensor.Changed:
		more = append(more, of(p.New))
	default:
		more = append(more, of(p.Old)+" → "+of(p.New))
	}
	if p.Numbers {
		more = append(more, fmt.Sprintf("‖Δ‖/‖W‖ %.4g, max|Δ| %.4g, cosine %.7g, %.1f %% equal", p.Relative, p.Most, p.Cosine, 100*float64(p.Equal)/float64(max(p.Words, 1))))
		for _, s := range []struct {
			word string
			n    int64
		}{{"NaN", p.NewStats.NaN - p.OldStats.NaN}, {"Inf", p.NewStats.Inf - p.OldStats.Inf}} {
			if s.n != 0 {
				more = append(more, fmt.Sprintf("%+d %s", s.n, s.word))
			}
		}
	} else if p.Words > 0 {
		more = append(more, fmt.Sprintf("%.1f %% equal", 100*float64(p.Equal)/float64(p.Words)))
	}
	if p.Note != "" {
		more = append(more, p.Note)
	}
	return strings.Join(more, ", ")
}
