package metricfile

import (
	"errors"
	"fmt"
	"math"
	"path"
	"strconv"
	"strings"
)

// benchLine reads a line of go test -bench: the name, the iterations, then values with their units.
func benchLine(s string) (fields []string, ok bool) {
	if !strings.HasPrefix(s, "Benchmark") {
		return nil, false
	}
	fields = strings.Fields(s)
	if len(fields) < 4 || len(fields)%2 != 0 {
		return fields, false
	}
	if n, err := strconv.ParseUint(fields[1], 10, 63); err != nil || n == 0 {
		return fields, false
	}
	_, _, ok = number(fields[2])
	return fields, ok
}

// gobench reads the text of go test -bench. Metrics are named Name.unit (Pack.ns/op); each line is a sample, as -count
// makes several. "key: value" lines are tags of the run, and keys of the points where a file has several (pkg).
func (s *source) gobench(name string) (Run, error) {
	b := s.build(titled(name), name, GoBench)
	pkg := ""
	err := s.lines(name, func(l line) error {
		text := string(l.text)
		if key, value, ok := strings.Cut(text, ": "); ok && key == strings.ToLower(key) && key != "" && !strings.ContainsAny(key, " \t-") {
			value = strings.TrimSpace(value)
			if key == "pkg" {
				pkg = value
			}
			b.run.Tags[key] = value
			return nil
		}
		switch {
		case strings.HasPrefix(text, "--- FAIL") || text == "FAIL" || strings.HasPrefix(text, "FAIL\t"):
			b.run.Status = "failed"
			b.warn(name, l.n, "a benchmark failed: %s", short(text))
		case strings.HasPrefix(text, "ok \t") || text == "PASS":
			if b.run.Status == "" {
				b.run.Status = "finished"
			}
		}
		f, ok := benchLine(text)
		if !ok {
			if len(f) > 1 && strings.HasPrefix(text, "Benchmark") && !strings.HasPrefix(f[1], "---") {
				b.warn(name, l.n, "%q is no result of a benchmark: left out", short(text))
			}
			return nil
		}
		return b.benchmark(name, l.n, pkg, f)
	})
	b.empty()
	return b.done(), err
}

// benchmark adds the values of a line.
func (b *build) benchmark(file string, line int, pkg string, f []string) error {
	bench, procs := strings.TrimPrefix(f[0], "Benchmark"), ""
	if i := strings.LastIndexByte(bench, '-'); i > 0 {
		if n, err := strconv.Atoi(bench[i+1:]); err == nil && n > 0 {
			bench, procs = bench[:i], bench[i+1:]
		}
	}
	for i := 2; i+1 < len(f); i += 2 {
		pairs := []pair{{"benchmark", bench}, {"unit", f[i+1]}}
		if pkg != "" {
			pairs = append(pairs, pair{"pkg", pkg})
		}
		if procs != "" {
			pairs = append(pairs, pair{"procs", procs})
		}
		r := row{keys: b.keys.with(nil, pairs)}
		if err := b.value(file, line, &r, bench+"."+f[i+1], f[i]); err != nil {
			return err
		}
	}
	return nil
}

// hyperfine reads --export-json: each run of a command is a sample of time, in seconds.
func (s *source) hyperfine(name string, n *node) (Run, error) {
	results := n.get("results")
	if results == nil || results.kind != list {
		return Run{}, &Error{File: name, Err: errors.New("is no result of hyperfine: it has no list results")}
	}
	b := s.build(titled(name), name, Hyperfine)
	for i := range results.items {
		item := &results.items[i]
		pairs := []pair{{"command", item.str("command")}, {"unit", "s"}}
		if params := item.get("parameters"); params != nil {
			for j, param := range params.names {
				pairs = append(pairs, pair{param, params.items[j].text})
			}
		}
		r := row{keys: b.keys.with(nil, pairs)}
		if err := b.times(name, item, r); err != nil {
			return b.done(), err
		}
		for _, member := range []string{"user", "system"} {
			if v, ok := item.num(member); ok {
				if err := b.add(name, int(item.line), r.point(member, v)); err != nil {
					return b.done(), err
				}
			}
		}
		if memory := item.get("memory_usage_byte"); memory != nil {
			pairs[1].value = "byte"
			if err := b.samples(name, "memory_usage_byte", memory, row{keys: b.keys.with(nil, pairs)}); err != nil {
				return b.done(), err
			}
		}
		b.failed(name, item)
	}
	b.empty()
	return b.done(), nil
}

// times adds the samples of a command; its mean where they are not kept.
func (b *build) times(file string, n *node, r row) error {
	if times := n.get("times"); times != nil && len(times.items) > 0 {
		return b.samples(file, "time", times, r)
	}
	v, ok := n.num("mean")
	if !ok {
		b.warn(file, int(n.line), "a command has neither times nor a mean: left out")
		return nil
	}
	b.note("the samples are not in the file: the mean stands for them")
	return b.add(file, int(n.line), r.point("time", v))
}

// samples adds a list of numbers that are repetitions, not steps.
func (b *build) samples(file, metric string, n *node, r row) error {
	for i := range n.items {
		item := &n.items[i]
		if item.kind != numeral {
			b.warn(file, int(item.line), "a sample of %s is no number: left out", short(metric))
			continue
		}
		if err := b.value(file, int(item.line), &r, metric, item.text); err != nil {
			return err
		}
	}
	return nil
}

// failed tells of repetitions that did not end well: their times are no measure.
func (b *build) failed(file string, n *node) {
	bad := 0
	codes := n.get("exit_codes")
	for i := range each(codes) {
		if codes.items[i].text != "0" {
			bad++
		}
	}
	if bad > 0 {
		b.warn(file, int(n.line), "%s: %d of %d repetitions did not exit with 0", short(n.str("command")), bad, len(codes.items))
	}
}

// pytest reads --benchmark-json: the samples where it keeps them (--benchmark-save-data), else mean and its standard
// error, and the median. All are seconds.
func (s *source) pytest(name string, n *node) (Run, error) {
	all := n.get("benchmarks")
	if all == nil || all.kind != list {
		return Run{}, &Error{File: name, Err: errors.New("is no result of pytest-benchmark: it has no list benchmarks")}
	}
	b := s.build(titled(name), name, PytestBenchmark)
	if t, ok := moment(n.str("datetime")); ok {
		b.run.Started = t
	}
	if commit := n.get("commit_info"); commit != nil && commit.str("id") != "" {
		b.run.Tags["git_commit"] = commit.str("id")
		if dirty := commit.str("dirty"); dirty != "" {
			b.run.Tags["git_dirty"] = dirty
		}
	}
	if machine := n.get("machine_info"); machine != nil {
		for _, member := range []string{"node", "machine", "system", "python_version"} {
			if v := machine.str(member); v != "" {
				b.run.Tags[member] = v
			}
		}
	}
	for i := range all.items {
		if err := b.pytestOne(name, &all.items[i]); err != nil {
			return b.done(), err
		}
	}
	b.empty()
	return b.done(), nil
}

func (b *build) pytestOne(file string, n *node) error {
	metric := n.str("fullname")
	if metric == "" {
		metric = n.str("name")
	}
	stats := n.get("stats")
	if metric == "" || stats == nil {
		b.warn(file, int(n.line), "a benchmark has no name or no stats: left out")
		return nil
	}
	pairs := []pair{{"unit", "s"}}
	if group := n.str("group"); group != "" {
		pairs = append(pairs, pair{"group", group})
	}
	if params := n.get("params"); params != nil {
		for i, param := range params.names {
			if item := &params.items[i]; item.kind != object && item.kind != list && item.kind != null && len(item.text) <= maxKey {
				pairs = append(pairs, pair{param, item.text})
			}
		}
	}
	r := row{keys: b.keys.with(nil, pairs)}
	if data := stats.get("data"); data != nil && len(data.items) > 0 {
		return b.samples(file, metric, data, r)
	}
	mean, ok := stats.num("mean")
	if !ok {
		b.warn(file, int(n.line), "%s has neither data nor a mean: left out", short(metric))
		return nil
	}
	b.note("the samples are not in the file: the mean stands for them, with its standard error")
	p := r.point(metric, mean)
	if sd, ok := stats.num("stddev"); ok {
		if rounds, ok := stats.num("rounds"); ok && rounds > 1 {
			p.StdErr, p.HasStdErr = sd/math.Sqrt(rounds), true
		}
	}
	if err := b.add(file, int(n.line), p); err != nil {
		return err
	}
	if v, ok := stats.num("median"); ok {
		return b.add(file, int(n.line), r.point(metric+".median", v))
	}
	return nil
}

// isEstimates reports whether a file is what Criterion.rs leaves of the newest run of a benchmark.
func isEstimates(name string) bool {
	return path.Base(name) == "estimates.json" && path.Base(path.Dir(name)) == "new"
}

// criterionID is the benchmark's name: its folders between target/criterion and new.
func criterionID(name string) string {
	dir := path.Dir(name)
	if base := path.Base(dir); base == "new" || base == "base" {
		dir = path.Dir(dir)
	}
	if _, after, ok := strings.Cut("/"+dir, "/criterion/"); ok {
		return after
	}
	return path.Base(dir)
}

// criterion reads a folder of Criterion.rs: target/criterion.
func (s *source) criterion(dir string) ([]Run, error) {
	b := s.build(path.Base(dir), dir, Criterion)
	var errs []error
	err := s.walk(dir, func(file string) error {
		if !isEstimates(file) {
			return nil
		}
		in, err := s.document(file)
		if err != nil {
			return err
		}
		n, _, err := parseJSON(in, s.limits.Depth)
		if err != nil {
			errs = append(errs, at(file, err))
			return nil
		}
		return s.estimates(b, file, &n)
	})
	b.empty()
	return some(b.done(), errors.Join(append(errs, err)...))
}

// estimates reads the estimates of a benchmark, in nanoseconds for an iteration: the samples of sample.json beside them
// where they are, under the benchmark's name; and each estimate as name.mean, name.median, name.slope, name.std_dev with
// its standard error.
func (s *source) estimates(b *build, file string, n *node) error {
	id := criterionID(file)
	r := row{keys: b.keys.with(nil, []pair{{"unit", "ns"}})}
	if n.kind != object || n.get("mean") == nil {
		return &Error{File: file, Err: errors.New("has no estimates of Criterion: an object with mean is expected")}
	}
	for i, member := range n.names {
		item := &n.items[i]
		if item.kind != object {
			continue // slope is null where all samples have as many iterations
		}
		v, ok := item.num("point_estimate")
		if !ok {
			b.warn(file, int(item.line), "%s has no point_estimate: left out", short(member))
			continue
		}
		p := r.point(id+"."+member, v)
		p.StdErr, p.HasStdErr = item.num("standard_error")
		if err := b.add(file, int(item.line), p); err != nil {
			return err
		}
	}
	if sample := path.Join(path.Dir(file), "sample.json"); s.exists(sample) {
		return s.criterionSamples(b, sample, id, r)
	}
	return nil
}

// criterionSamples reads the times of so many iterations each.
func (s *source) criterionSamples(b *build, file, id string, r row) error {
	in, err := s.document(file)
	if err != nil {
		return err
	}
	n, _, err := parseJSON(in, s.limits.Depth)
	if err != nil {
		return at(file, err)
	}
	iters, times := each(n.get("iters")), each(n.get("times"))
	if len(iters) != len(times) {
		return &Error{File: file, Err: fmt.Errorf("%d iters and %d times: one of each is needed", len(iters), len(times))}
	}
	for i := range times {
		count, _, ok := number(iters[i].text)
		total, _, ok2 := number(times[i].text)
		if !ok || !ok2 || !(count > 0) {
			b.warn(file, int(times[i].line), "sample %d is not a time and a count: left out", i+1)
			continue
		}
		if err := b.add(file, int(times[i].line), r.point(id, total/count)); err != nil {
			return err
		}
	}
	return nil
}
