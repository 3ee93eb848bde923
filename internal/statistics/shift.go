package statistics

import (
	"fmt"
	"math"
	"slices"

	"varve/internal/statistics/distribution"
)

// Shift is the Hodges–Lehmann estimate of how far a lies above b, the median of all a−b, with the confidence interval
// that belongs to the Mann–Whitney test: from the exact distribution without ties up to ExactRanks values a side (so
// with ties it errs to the wide side), from the normal one above. Where the level cannot be reached with so few values,
// the interval is the widest there is. Memory and time are O((m+n)·64). Source: Hollander, Wolfe and Chicken, §4.2–4.3;
// R: wilcox.test(conf.int=TRUE).
func Shift(a, b []float64, level float64) (float64, Interval, error) {
	o := Options{Level: level}
	if err := o.check(1, a, b); err != nil {
		return math.NaN(), Interval{math.NaN(), math.NaN()}, err
	}
	x, y := slices.Clone(a), slices.Clone(b)
	slices.Sort(x)
	slices.Sort(y)
	m, n := len(x), len(y)
	var cut int
	if max(m, n) <= ExactRanks {
		ranks := make([]int, m+n)
		for i := range ranks {
			ranks[i] = i + 1
		}
		p, _ := subsetSums(ranks, min(m, n))
		cut = cutOf(p, (1-o.level())/2)
	} else {
		sd := math.Sqrt(float64(m) * float64(n) / 12 * float64(m+n+1))
		cut = int(float64(m)*float64(n)/2 - distribution.Normal{}.UpperQuantile((1-o.level())/2)*sd)
	}
	at := func(k int) float64 { return smallest(k, x, y, true) }
	return middle(m*n, at), around(m*n, cut, at), nil
}

// Centre is the Hodges–Lehmann estimate of the centre of x, the median of all means of two (Walsh averages), with the
// interval that belongs to the signed rank test, as Shift has it. Source: as Shift, §3.2–3.3.
func Centre(x []float64, level float64) (float64, Interval, error) {
	o := Options{Level: level}
	if err := o.check(1, x); err != nil {
		return math.NaN(), Interval{math.NaN(), math.NaN()}, err
	}
	s := slices.Clone(x)
	slices.Sort(s)
	n := len(s)
	all := n * (n + 1) / 2
	var cut int
	if n <= ExactSigned {
		ranks := make([]int, n)
		for i := range ranks {
			ranks[i] = i + 1
		}
		cut = cutOf(signSums(ranks), (1-o.level())/2)
	} else {
		sd := math.Sqrt(float64(n) * float64(n+1) * float64(2*n+1) / 24)
		cut = int(float64(all)/2 - distribution.Normal{}.UpperQuantile((1-o.level())/2)*sd)
	}
	at := func(k int) float64 { return smallest(k, s, s, false) }
	return middle(all, at), around(all, cut, at), nil
}

// cutOf is the smallest x with P(X ≤ x) ≥ p.
func cutOf(points []float64, p float64) int {
	var s float64
	for x, v := range points {
		if s += v; s >= p*(1-1e-12) {
			return x
		}
	}
	return len(points) - 1
}

// middle is the median of n things of which at(k) is the k-th smallest, from 1.
func middle(n int, at func(int) float64) float64 {
	if n%2 == 1 {
		return at(n/2 + 1)
	}
	return (at(n/2) + at(n/2+1)) / 2
}

func around(n, cut int, at func(int) float64) Interval {
	cut = max(1, min(cut, (n+1)/2))
	return Interval{at(cut), at(n - cut + 1)}
}

// smallest returns the k-th smallest of all x[i]−y[j], or of all (x[i]+x[j])/2 with i ≤ j, of sorted values. It halves
// the range of floats, counting pairs, so nothing of size m·n is held.
func smallest(k int, x, y []float64, minus bool) float64 {
	count := func(limit float64) int {
		if minus {
			return countDifferences(x, y, limit)
		}
		return countMeans(x, limit)
	}
	low, high := ordered(x[0]-y[len(y)-1]), ordered(x[len(x)-1]-y[0])
	if !minus {
		low, high = ordered(x[0]), ordered(x[len(x)-1])
	}
	for low < high {
		mid := low + (high-low)/2
		if count(unordered(mid)) >= k {
			high = mid
		} else {
			low = mid + 1
		}
	}
	return unordered(low) + 0 // −0 is 0
}

func countDifferences(x, y []float64, limit float64) int {
	n, j := 0, 0
	for _, v := range x { // as v rises, fewer y are great enough
		for j < len(y) && v-y[j] > limit {
			j++
		}
		n += len(y) - j
	}
	return n
}

func countMeans(x []float64, limit float64) int {
	n, j := 0, len(x)-1
	for i := range x {
		for j >= 0 && (x[i]+x[j])/2 > limit {
			j--
		}
		if j < i {
			break
		}
		n += j - i + 1
	}
	return n
}

// ordered maps floats to whole numbers in the same order.
func ordered(f float64) uint64 {
	u := math.Float64bits(f + 0)
	if u>>63 == 1 {
		return ^u
	}
	return u | 1<<63
}

func unordered(u uint64) float64 {
	if u>>63 == 1 {
		return math.Float64frombits(u &^ (1 << 63))
	}
	return math.Float64frombits(^u)
}

// BrunnerMunzel tests whether a value of a is as likely above as below one of b, without assuming equal shapes or
// spreads. Estimate and Interval: P(a > b) + ½P(a = b). Statistic: t, positive where a is greater. Where the samples do
// not overlap it has no variance and is refused: MannWhitney then has the exact answer. Below ten values a side the p
// value is too small. Source: Brunner and Munzel (2000); SciPy: brunnermunzel(b, a).
func BrunnerMunzel(a, b []float64, o Options) (Outcome, error) {
	if err := o.check(2, a, b); err != nil {
		return Outcome{}, err
	}
	all, _ := Ranks(joined(a, b))
	m, n := float64(len(a)), float64(len(b))
	ra, rb := all[:len(a)], all[len(a):]
	va, vb := placementVariance(ra, a), placementVariance(rb, b)
	if va+vb == 0 {
		return Outcome{}, fmt.Errorf("%w where the samples do not overlap", ErrNoVariance)
	}
	estimate := (Mean(ra) - (m+1)/2) / n
	se := math.Sqrt(va/(m*n*n) + vb/(n*m*m))
	df := (m*va + n*vb) * (m*va + n*vb) / (m*m*va*va/(m-1) + n*n*vb*vb/(n-1))
	o.Null += 0.5
	out := o.byT("Brunner–Munzel", estimate, se, df)
	out.Interval = Interval{max(0, out.Interval.Low), min(1, out.Interval.High)}
	return out, nil
}

// placementVariance is the variance of overall ranks less ranks within the group.
func placementVariance(overall, group []float64) float64 {
	within, _ := Ranks(group)
	return Variance(differences(overall, within))
}

// KolmogorovSmirnov tests whether two samples come from the same distribution. Statistic: the greatest distance D of
// the two distribution functions. Exact given the ties where len(a)·len(b) ≤ 10⁶, else by Kolmogorov's limit. Two-sided
// only. R: ks.test (exact up to 10⁴ there).
func KolmogorovSmirnov(a, b []float64) (Outcome, error) {
	if err := checkValues(1, a, b); err != nil {
		return Outcome{}, err
	}
	return kolmogorov(a, b, len(a)*len(b) <= 1_000_000), nil
}

func kolmogorov(a, b []float64, exact bool) Outcome {
	x, y := slices.Clone(a), slices.Clone(b)
	slices.Sort(x)
	slices.Sort(y)
	m, n := len(x), len(y)
	pooled := joined(x, y)
	slices.Sort(pooled)
	// Distances are counted in units of 1/(mn), in whole numbers.
	most, i, j := 0, 0, 0
	for at, v := range pooled {
		if at+1 < len(pooled) && pooled[at+1] == v {
			continue
		}
		for i < m && x[i] <= v {
			i++
		}
		for j < n && y[j] <= v {
			j++
		}
		most = max(most, abs(i*n-j*m))
	}
	d := float64(most) / float64(m) / float64(n)
	e, none := none()
	out := Outcome{Method: "Kolmogorov–Smirnov", Statistic: d, Estimate: e, Interval: none, Exact: exact}
	if exact {
		out.P = min(1, crossing(pooled, m, n, most))
	} else {
		out.P = kolmogorovTail(d * math.Sqrt(float64(m)*float64(n)/float64(m+n)))
	}
	return out
}

// crossing is the share of all orders in which the distance reaches most somewhere that values differ. It adds up the
// share itself and not its complement, so small p values keep their digits.
func crossing(pooled []float64, m, n, most int) float64 {
	row := make([]float64, n+1)
	for i := 0; i <= m; i++ {
		for j := 0; j <= n; j++ {
			at := i + j
			last := at == 0 || at == m+n || pooled[at-1] != pooled[at]
			switch {
			case last && abs(i*n-j*m) >= most:
				row[j] = 1
			case at == 0:
				row[j] = 0
			default:
				var v float64
				if i > 0 {
					v += row[j] * float64(i) / float64(at)
				}
				if j > 0 {
					v += row[j-1] * float64(j) / float64(at)
				}
				row[j] = v
			}
		}
	}
	return row[n]
}

// kolmogorovTail is P(K > z) of Kolmogorov's distribution.
func kolmogorovTail(z float64) float64 {
	if z < 0.2 {
		return 1
	}
	var s float64
	for k := 1.0; k < 200; k++ {
		term := math.Exp(-2 * k * k * z * z)
		s += math.Copysign(term, 0.5-math.Mod(k+1, 2))
		if term < 1e-18 {
			break
		}
	}
	return min(1, 2*s)
}

func abs(i int) int { return max(i, -i) }
