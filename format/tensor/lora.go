package tensor

import (
	"context"
	"fmt"
	"math"
	"strings"
)

// Adapter is a low-rank change of a layer, ΔW = scale·B·A, in one or both files.
type Adapter struct {
	Layer string
	Rank  int64   // of the new file, or of the old one where it is only there
	Scale float64 // alpha ÷ rank where the file has alpha; else 1: its alpha is elsewhere
	Alpha bool    // the file has it
	// Norms of ΔW in each file, 0 where it is not there, and of the difference between both.
	Old, New, Delta float64
	Note            string // why norms are not known
}

// maxAdapter bounds the elements of one factor.
const maxAdapter = 64 << 20

// factors are the tensors of an adapter.
type factors struct{ down, up, alpha *Tensor }

// pairings are the names of the factors A and B, as PEFT, diffusers and kohya have them. What stands between a word and
// ".weight" in PEFT's names is the adapter's.
func pairings() [][2]string {
	return [][2]string{{".lora_A", ".lora_B"}, {".lora_down", ".lora_up"}, {".lora.down", ".lora.up"}, {"_lora.down", "_lora.up"},
		{".lora_embedding_A", ".lora_embedding_B"}, {".lora_linear_layer.down", ".lora_linear_layer.up"}}
}

// factorsOf finds the adapters of a file, by layer, in their order.
func factorsOf(l *List) (map[string]*factors, []string) {
	out, order := map[string]*factors{}, []string{}
	get := func(layer string) *factors {
		f := out[layer]
		if f == nil {
			f = &factors{}
			out[layer], order = f, append(order, layer)
		}
		return f
	}
	for i := range l.Tensors {
		t := &l.Tensors[i]
		for _, p := range pairings() {
			for side, word := range p {
				at := strings.LastIndex(t.Name, word)
				if at < 0 {
					continue
				}
				rest := t.Name[at+len(word):]
				if rest != "" && rest[0] != '.' || len(t.Shape) < 2 {
					continue
				}
				layer := t.Name[:at]
				if named := strings.TrimSuffix(strings.TrimSuffix(rest, "weight"), "."); named != "" {
					layer += named
				}
				if side == 0 {
					get(layer).down = t
				} else {
					get(layer).up = t
				}
			}
		}
	}
	for i := range l.Tensors {
		t := &l.Tensors[i]
		if layer, ok := strings.CutSuffix(t.Name, ".alpha"); ok && out[layer] != nil && t.Count() == 1 {
			out[layer].alpha = t
		}
	}
	return out, order
}

// adapters finds those of both files, and measures them without making ΔW: ‖BA‖² = ⟨BᵀB, AAᵀ⟩, products of rank × rank.
func adapters(ctx context.Context, old, new Side) ([]Adapter, error) {
	was, first := factorsOf(old.List)
	is, order := factorsOf(new.List)
	for _, layer := range first {
		if is[layer] == nil {
			order = append(order, layer)
		}
	}
	var out []Adapter
	for _, layer := range order {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		a, b := was[layer], is[layer]
		if a != nil && (a.down == nil || a.up == nil) {
			a = nil
		}
		if b != nil && (b.down == nil || b.up == nil) {
			b = nil
		}
		if a == nil && b == nil {
			continue
		}
		d := Adapter{Layer: layer, Scale: 1}
		if err := d.measure(a, b, old, new); err != nil {
			if !limits(err) {
				return nil, fmt.Errorf("adapter of %.80q: %w", layer, err)
			}
			d.Note = err.Error()
		}
		out = append(out, d)
	}
	return out, nil
}

func (d *Adapter) measure(a, b *factors, old, new Side) error {
	p, err := load(a, old, d)
	if err != nil {
		return err
	}
	q, err := load(b, new, d)
	if err != nil {
		return err
	}
	p2, q2 := inner(p, p), inner(q, q)
	d.Old, d.New = math.Sqrt(max(0, p2)), math.Sqrt(max(0, q2))
	if p != nil && q != nil && (p.n != q.n || p.m != q.m) {
		d.Note = "the layer has another shape"
		return nil
	}
	d.Delta = math.Sqrt(max(0, p2+q2-2*inner(p, q)))
	return nil
}

// low is an adapter in memory: B is m × r, A r × n.
type low struct {
	a, b    []float64
	r, m, n int
	scale   float64
}

func load(f *factors, s Side, d *Adapter) (*low, error) {
	if f == nil {
		return nil, nil
	}
	a, b := f.down, f.up
	r, out := a.Shape[0], b.Shape[0]
	if r == 0 || out == 0 || a.Count() == 0 || b.Count() != out*r {
		return nil, unsupported("factors of shapes %d and %d", a.Shape, b.Shape)
	}
	l := &low{r: int(r), m: int(out), n: int(a.Count() / r), scale: 1}
	if r > 4096 || int64(l.n+l.m)*r > 1<<36/r {
		return nil, unsupported("a rank of %d", r)
	}
	d.Rank = r
	var err error
	if l.a, err = a.Floats(s.In, maxAdapter); err != nil {
		return nil, err
	}
	if l.b, err = b.Floats(s.In, maxAdapter); err != nil {
		return nil, err
	}
	if f.alpha != nil {
		v, err := f.alpha.Floats(s.In, 1)
		if err != nil {
			return nil, err
		}
		if len(v) == 1 && v[0] > 0 {
			l.scale = v[0] / float64(r)
			d.Scale, d.Alpha = l.scale, true
		}
	}
	return l, nil
}

// inner is ⟨B₁A₁, B₂A₂⟩ = ⟨B₁ᵀB₂, A₁A₂ᵀ⟩; 0 if one is not there.
func inner(p, q *low) float64 {
	if p == nil || q == nil {
		return 0
	}
	g := make([]float64, p.r*q.r)
	for k := range p.m {
		x, y := p.b[k*p.r:(k+1)*p.r], q.b[k*q.r:(k+1)*q.r]
		for i, v := range x {
			row := g[i*q.r : (i+1)*q.r]
			for j, w := range y {
				row[j] += v * w
			}
		}
	}
	sum := 0.0
	for i := range p.r {
		x := p.a[i*p.n : (i+1)*p.n]
		for j := range q.r {
			y := q.a[j*q.n : (j+1)*q.n]
			dot := 0.0
			for k, v := range x {
				dot += v * y[k]
			}
			sum += g[i*q.r+j] * dot
		}
	}
	return sum * p.scale * q.scale
}
