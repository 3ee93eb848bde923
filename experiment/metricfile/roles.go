package metricfile

import (
	"sort"
	"strings"
	"time"
)

// A role is what a field of a row is.
type role uint8

const (
	asMetric role = iota // a metric with this name
	asStep
	asEpoch
	asTime
	asName // the metric's name, in rows with one value each
	asValue
	asStdErr
	asRun
	asKey
)

// A place is a role and how sure a name is of it: of two names for one role the lower rank has it.
type place struct {
	role role
	rank int
}

// roles know fields by name, in lower case.
type roles map[string]place

// roles are the names that programs use, and those of the mapping instead where it has them.
func (m *Mapping) roles() roles {
	out := roles{}
	add := func(r role, given string, names ...string) {
		if given != "" {
			names = []string{given}
		}
		for i, name := range names {
			out[strings.ToLower(name)] = place{r, i}
		}
	}
	add(asKey, "", "seed", "random_seed", "fold", "repeat", "repetition", "replicate", "example", "example_id", "task", "split", "dataset", "phase", "mode", "trial", "player", "group")
	add(asStep, m.Step, "step", "global_step", "_step", "iteration", "iter", "batch")
	add(asEpoch, m.Epoch, "epoch")
	add(asTime, m.Time, "timestamp", "_timestamp", "wall_time", "time", "datetime", "date")
	add(asName, m.Metric, "metric", "metric_name")
	add(asValue, m.Value, "value")
	add(asStdErr, m.StdErr, "stderr", "std_err", "standard_error")
	add(asRun, m.Run, "run_id", "run_name", "run", "run_uuid", "trial_id")
	for i, name := range m.Keys {
		out[strings.ToLower(name)] = place{asKey, i}
	}
	return out
}

func (r roles) of(name string) place { return r[strings.ToLower(name)] }

// A row is what is true of all points of a row.
type row struct {
	step     int64
	epoch    float64
	hasStep  bool
	hasEpoch bool
	at       time.Time
	keys     map[string]string
}

func (r *row) point(metric string, v float64) Point {
	return Point{Metric: metric, Value: v, Step: r.step, HasStep: r.hasStep, Epoch: r.epoch, HasEpoch: r.hasEpoch, Time: r.at, Keys: r.keys}
}

// take gives a field its role in the row, and reports whether its text can have it.
func (r *row) take(as role, s string) bool {
	switch as {
	case asStep:
		n, ok := integer(s)
		if ok {
			r.step, r.hasStep = n, true
		}
		return ok
	case asEpoch:
		v, _, ok := number(s)
		if ok {
			r.epoch, r.hasEpoch = v, true
		}
		return ok
	case asTime:
		t, ok := moment(s)
		if ok {
			r.at = t
		}
		return ok
	}
	return false
}

// settle makes a whole epoch the step where there is none.
func (r *row) settle() bool {
	if r.hasStep || !r.hasEpoch || r.epoch != float64(int64(r.epoch)) {
		return false
	}
	r.step, r.hasStep = int64(r.epoch), true
	return true
}

// keyring keeps one map for each set of keys, for points share them.
type keyring struct {
	known map[string]map[string]string
	parts []string
	sign  []byte
}

// pair is a key with its value.
type pair struct{ name, value string }

// with is the map that has also these pairs.
func (k *keyring) with(base map[string]string, pairs []pair) map[string]string {
	if len(pairs) == 0 {
		return base
	}
	sort.SliceStable(pairs, func(i, j int) bool { return pairs[i].name < pairs[j].name })
	k.sign = k.sign[:0]
	for _, p := range pairs {
		k.sign = append(append(append(append(k.sign, p.name...), 0), p.value...), 0)
	}
	for name, value := range base {
		k.parts = append(k.parts, name+"\x00"+value+"\x00")
	}
	sort.Strings(k.parts)
	k.sign = append(k.sign, strings.Join(k.parts, "")...)
	k.parts = k.parts[:0]
	if m, ok := k.known[string(k.sign)]; ok {
		return m
	}
	m := make(map[string]string, len(base)+len(pairs))
	for name, value := range base {
		m[name] = value
	}
	for _, p := range pairs {
		m[p.name] = p.value
	}
	if k.known == nil || len(k.known) >= 1<<16 {
		k.known = map[string]map[string]string{}
	}
	k.known[string(k.sign)] = m
	return m
}
