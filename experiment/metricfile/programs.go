package metricfile

import (
	"errors"
	"path"
	"regexp"
	"strings"
)

// trainerState reads what the Trainer of Hugging Face transformers keeps: log_history is the series, the rest settings.
func (s *source) trainerState(name string, n *node) (Run, error) {
	title := titled(name)
	if _, ok := checkpoint(title); ok && path.Dir(path.Dir(name)) != "." {
		title = path.Base(path.Dir(path.Dir(name)))
	}
	b := s.build(title, name, TrainerState)
	history := n.get("log_history")
	if history == nil || history.kind != list {
		return Run{}, &Error{File: name, Line: int(n.line), Err: errors.New("is no trainer_state.json: it has no list log_history")}
	}
	for i := range history.items {
		if history.items[i].kind != object {
			b.warn(name, int(history.items[i].line), "an entry of log_history is no object: left out")
			continue
		}
		if err := b.object(name, "", &history.items[i], row{}, nil); err != nil {
			return b.done(), err
		}
	}
	for i, member := range n.names {
		if item := &n.items[i]; item.kind == numeral || item.kind == text || item.kind == boolean {
			b.run.Params[member] = item.text
		}
	}
	if best, ok := n.num("best_metric"); ok {
		var r row
		r.step, r.hasStep = integer(n.str("best_global_step"))
		if err := b.add(name, int(n.get("best_metric").line), r.point("best_metric", best)); err != nil {
			return b.done(), err
		}
	}
	b.empty()
	return b.done(), nil
}

// lmeval reads results of lm-evaluation-harness: of each task metrics with standard errors. Since 0.4 a metric is named
// with its filter ("acc,none"); the filter none says nothing and is left out.
func (s *source) lmeval(name string, n *node) (Run, error) {
	b := s.build(titled(name), name, LMEval)
	results := n.get("results")
	if results == nil || results.kind != object {
		return Run{}, &Error{File: name, Line: int(n.line), Err: errors.New("is no result of lm-eval: it has no object results")}
	}
	var r row
	if config := n.get("config"); config != nil {
		b.settings("", config)
		if step := revision(config.str("model_args")); step != "" {
			r.step, r.hasStep = integer(step)
			b.note("the step is that of the model's revision, step%s", step)
		}
	}
	if t, ok := moment(n.str("date")); ok {
		r.at, b.run.Started = t, t
	}
	for _, member := range []string{"git_hash", "model_name", "model_source", "transformers_version"} {
		if v := n.str(member); v != "" {
			b.run.Tags[member] = v
		}
	}
	versions := n.get("versions")
	for i, task := range results.names {
		at := r
		pairs := []pair{{"task", task}}
		if versions != nil && versions.str(task) != "" {
			pairs = append(pairs, pair{"version", versions.str(task)})
		}
		at.keys = b.keys.with(nil, pairs)
		if err := b.task(name, task, &results.items[i], at); err != nil {
			return b.done(), err
		}
	}
	b.empty()
	return b.done(), nil
}

// task adds the metrics of a task.
func (b *build) task(file, task string, n *node, r row) error {
	for i, member := range n.names {
		item := &n.items[i]
		metric, filter, _ := strings.Cut(member, ",")
		if metric == "alias" || strings.HasSuffix(metric, "_stderr") && n.get(strings.TrimSuffix(metric, "_stderr")+strings.TrimPrefix(member, metric)) != nil {
			continue // with its metric
		}
		if item.kind != numeral {
			if item.kind != null && strings.TrimSpace(item.text) != "" {
				b.warn(file, int(item.line), "%s of %s is no number: left out", short(member), short(task))
			}
			continue
		}
		v, why, _ := number(item.text)
		if why != "" {
			b.warn(file, int(item.line), "%s: %s", short(member), why)
		}
		spread := metric + "_stderr"
		if filter != "" {
			spread += "," + filter
		}
		if filter != "" && filter != "none" {
			metric += "," + filter
		}
		p := r.point(task+"."+metric, v)
		p.StdErr, p.HasStdErr = n.num(spread)
		if err := b.add(file, int(item.line), p); err != nil {
			return err
		}
	}
	return nil
}

// revision is the training step in the arguments of a model: "pretrained=…,revision=step63000".
func revision(args string) string {
	m := regexp.MustCompile(`(?:^|,)revision=step(\d{1,15})(?:,|$)`).FindStringSubmatch(args)
	if m == nil {
		return ""
	}
	return m[1]
}

// wandb reads the summary of a run of Weights & Biases: the last value of each metric. Media are left out and told.
func (s *source) wandb(name string, n *node) (Run, error) {
	if n.kind != object {
		return Run{}, &Error{File: name, Err: errors.New("is no summary of W&B: an object is expected")}
	}
	b := s.build(wandbName(name), name, WandB)
	dir := path.Dir(name)
	if file := path.Join(dir, "config.yaml"); s.exists(file) {
		s.params(b, file)
		for key, value := range b.run.Params { // lr.value: 0.1, lr.desc: null
			delete(b.run.Params, key)
			if short, ok := strings.CutSuffix(key, ".value"); ok {
				b.run.Params[short] = value
			} else if before, after, ok := strings.Cut(key, ".value."); ok && !strings.HasPrefix(key, "_wandb.") {
				b.run.Params[before+"."+after] = value
			}
		}
	}
	if file := path.Join(dir, "wandb-metadata.json"); s.exists(file) {
		s.metadata(b, file)
	}
	kept := node{kind: object, line: n.line}
	for i, member := range n.names {
		item := &n.items[i]
		switch {
		case item.kind == object && item.get("_type") != nil:
			b.warn(name, int(item.line), "%s is of the type %s: left out", short(member), short(item.str("_type")))
		case member == "_wandb":
		default:
			kept.names, kept.items = append(kept.names, member), append(kept.items, *item)
		}
	}
	err := b.object(name, "", &kept, row{}, b.toParams)
	b.empty()
	return b.done(), err
}

// wandbName is the run's id: its folder is run-20240131_101500-1a2b3c4d/files.
func wandbName(name string) string {
	dir := path.Dir(name)
	if path.Base(dir) == "files" {
		dir = path.Dir(dir)
	}
	base := path.Base(dir)
	if parts := strings.SplitN(base, "-", 3); len(parts) == 3 && strings.HasSuffix(parts[0], "run") {
		return parts[2]
	}
	if base != "." && base != "/" {
		return base
	}
	return titled(name)
}

// metadata takes what says how the run was made.
func (s *source) metadata(b *build, file string) {
	in, err := s.document(file)
	var n node
	if err == nil {
		n, _, err = parseJSON(in, s.limits.Depth)
	}
	if err != nil {
		b.warn(file, 0, "is not read: %v", err)
		return
	}
	for _, member := range []string{"program", "codePath", "os", "python", "host", "gpu"} {
		if v := n.str(member); v != "" {
			b.run.Tags[member] = v
		}
	}
	if git := n.get("git"); git != nil && git.str("commit") != "" {
		b.run.Tags["git_commit"] = git.str("commit")
	}
	if args := n.get("args"); args != nil {
		var all []string
		for i := range args.items {
			all = append(all, args.items[i].text)
		}
		b.run.Tags["args"] = strings.Join(all, " ")
	}
	if t, ok := moment(n.str("startedAt")); ok {
		b.run.Started = t
	}
}
