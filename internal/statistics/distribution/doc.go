// Package distribution has the probability distributions that tests of statistics need: normal, t, F, χ², beta,
// binomial, Poisson, hypergeometric and noncentral t.
//
// It promises: Lower and Upper are each computed from their own side, so that a p value of 1e-200 keeps its digits;
// relative errors are about 1e-13 for parameters up to 10⁶ and slowly grow beyond. Pure functions, no state; what lies
// outside of a distribution's support is 0 or 1, and parameters that make no sense, or are above 10⁹, give NaN.
//
// Sources: C. Loader, "Fast and accurate computation of binomial probabilities" (2000) for the point masses that lead
// each incomplete function; the series and continued fractions of Abramowitz and Stegun §6.5 and §26.5; Benton and
// Krishnamoorthy, "Computing discrete mixtures of continuous distributions" (2003) for the noncentral t.
package distribution

import "math"

// lnSqrt2Pi is log √(2π).
const lnSqrt2Pi = 0.918938533204672741780329736405617639861

// stirlingError returns log n! − log(√(2πn)·(n/e)ⁿ) for a real n > 0.
func stirlingError(n float64) float64 {
	if n < 15 {
		lg, _ := math.Lgamma(n + 1)
		return lg - (n+0.5)*math.Log(n) + n - lnSqrt2Pi
	}
	m := 1 / (n * n)
	return (1.0/12 - (1.0/360-(1.0/1260-(1.0/1680-(1.0/1188-(691.0/360360-m/156)*m)*m)*m)*m)*m) / n
}

// deviance returns x·log(x/m) + m − x without the loss of digits where x is near m.
func deviance(x, m float64) float64 {
	if x == 0 {
		return m
	}
	if math.Abs(x-m) >= 0.1*(x+m) {
		return x*math.Log(x/m) + m - x
	}
	v := (x - m) / (x + m)
	sum, term := (x-m)*v, 2*x*v
	for j := 1.0; j < 1000; j++ {
		term *= v * v
		next := sum + term/(2*j+1)
		if next == sum {
			break
		}
		sum = next
	}
	return sum
}

// binomialPoint returns Γ(n+1)/(Γ(x+1)Γ(n−x+1)) pˣ qⁿ⁻ˣ for real 0 ≤ x ≤ n, with q = 1−p given exactly.
func binomialPoint(x, n, p, q float64) float64 { return math.Exp(logBinomialPoint(x, n, p, q)) }

func logBinomialPoint(x, n, p, q float64) float64 {
	switch {
	case p == 0:
		return math.Log(indicator(x == 0))
	case q == 0:
		return math.Log(indicator(x == n))
	case x == 0:
		return n * logOf(q, p)
	case x == n:
		return n * logOf(p, q)
	}
	l := stirlingError(n) - stirlingError(x) - stirlingError(n-x) - deviance(x, n*p) - deviance(n-x, n*q)
	return l + math.Log(n/(2*math.Pi*x*(n-x)))/2
}

// logOf returns log p where q = 1−p, from whichever is given with more digits.
func logOf(p, q float64) float64 {
	if q < 0.5 {
		return math.Log1p(-q)
	}
	return math.Log(p)
}

// poissonPoint returns mˣ e⁻ᵐ / Γ(x+1) for real x ≥ 0 and m > 0.
func poissonPoint(x, m float64) float64 {
	if x == 0 {
		return math.Exp(-m)
	}
	if m < x*1e-300 {
		return 0
	}
	return math.Exp(-stirlingError(x)-deviance(x, m)) / math.Sqrt(2*math.Pi*x)
}

func indicator(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// converged is the relative change at which a series or fraction has come to its end.
const converged = 1e-16

// steps bounds every series; about √(parameter) of them are used.
const steps = 100_000

// largest bounds the parameters: nobody counted more, and beyond it the digits are gone.
const largest = 1e9

// sound reports whether a parameter is one that the series can work with.
func sound(a float64) bool { return a > 0 && a <= largest }

// tiny stands for 0 in a continued fraction's denominators.
const tiny = 1e-300

// incompleteBeta returns I_x(a, b) and 1 − I_x(a, b), where y = 1−x is given exactly.
func incompleteBeta(a, b, x, y float64) (lower, upper float64) {
	switch {
	case !sound(a) || !sound(b) || math.IsNaN(x) || math.IsNaN(y):
		return math.NaN(), math.NaN()
	case x <= 0:
		return 0, 1
	case y <= 0:
		return 1, 0
	}
	front := binomialPoint(a, a+b, x, y) * a * (b / (a + b))
	if x <= (a+1)/(a+b+2) {
		lower = front * betaFraction(a, b, x) / a
		return lower, 1 - lower
	}
	upper = front * betaFraction(b, a, y) / b
	return 1 - upper, upper
}

// betaFraction is the continued fraction of Abramowitz and Stegun 26.5.8, by the method of Lentz.
func betaFraction(a, b, x float64) float64 {
	c, d := 1.0, 1/nonzero(1-(a+b)*x/(a+1))
	h := d
	for m := 1.0; m < steps; m++ {
		even := m * (b - m) * x / ((a + 2*m - 1) * (a + 2*m))
		d = 1 / nonzero(1+even*d)
		c = nonzero(1 + even/c)
		h *= d * c
		odd := -(a + m) * (a + b + m) * x / ((a + 2*m) * (a + 2*m + 1))
		d = 1 / nonzero(1+odd*d)
		c = nonzero(1 + odd/c)
		h *= d * c
		if math.Abs(d*c-1) <= 2*converged {
			break
		}
	}
	return h
}

func nonzero(x float64) float64 {
	if math.Abs(x) < tiny {
		return tiny
	}
	return x
}

// incompleteGamma returns P(a, x) and Q(a, x).
func incompleteGamma(a, x float64) (lower, upper float64) {
	switch {
	case !sound(a) || math.IsNaN(x):
		return math.NaN(), math.NaN()
	case x <= 0:
		return 0, 1
	case math.IsInf(x, 1):
		return 1, 0
	}
	front := poissonPoint(a, x)
	if x < a+1 {
		sum, term := 1.0, 1.0
		for n := 1.0; n < steps; n++ {
			term *= x / (a + n)
			sum += term
			if term < sum*converged {
				break
			}
		}
		lower = front * sum
		return lower, 1 - lower
	}
	b := x + 1 - a
	c, d := 1/tiny, 1/b
	h := d
	for n := 1.0; n < steps; n++ {
		an := -n * (n - a)
		b += 2
		d = 1 / nonzero(an*d+b)
		c = nonzero(b + an/c)
		h *= d * c
		if math.Abs(d*c-1) <= 2*converged {
			break
		}
	}
	upper = front * a * h
	return 1 - upper, upper
}
