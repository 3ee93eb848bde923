package mlflow

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"varve/experiment/metricfile"
)

// Restore takes up a run that was kept before the server was started, so that its program can go on with it. Points are
// the last of each metric.
func (s *Server) Restore(r Run, params, tags map[string]string, last []metricfile.Point) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.ID == "" || r.ExperimentID == "" || s.runs[r.ID] != nil {
		return fmt.Errorf("mlflow: restore run %q of experiment %q: it needs both ids, and comes once", r.ID, r.ExperimentID)
	}
	if len(s.runs) >= maxRuns || len(s.exps) >= maxExperiments {
		return fmt.Errorf("mlflow: restore run %s: there are %d runs and %d experiments, and no more are kept", r.ID, len(s.runs), len(s.exps))
	}
	if s.experiment(r.ExperimentID, "") == nil {
		s.exps = append(s.exps, &experiment{id: r.ExperimentID, name: r.Experiment, made: r.Started, tags: map[string]string{}})
	}
	kept := &run{Run: r, params: map[string]string{}, tags: map[string]string{}, last: map[string]metric{}}
	maps.Copy(kept.params, params)
	maps.Copy(kept.tags, tags)
	for _, p := range last {
		v := float(p.Value)
		kept.last[p.Metric] = metric{Key: p.Metric, Value: &v, Timestamp: whole(p.Time.UnixMilli()), Step: whole(p.Step)}
	}
	s.runs[r.ID] = kept
	s.order = append(s.order, kept)
	return nil
}

// createExperiment makes an experiment of a new name.
func (s *Server) createExperiment(_ context.Context, q *request) (any, error) {
	if err := checkText("experiment name", text{"name", q.Name}); err != nil || q.Name == "" {
		return nil, invalid("an experiment needs a name of at most %d bytes", maxValue)
	}
	for _, e := range s.exps {
		if e.name == q.Name {
			return nil, &refusal{400, "RESOURCE_ALREADY_EXISTS", "Experiment '" + q.Name + "' already exists."}
		}
	}
	if len(s.exps) >= maxExperiments {
		return nil, full("there are %d experiments, and no more are kept", maxExperiments)
	}
	id := s.o.NewID()
	e := &experiment{id: id, name: q.Name, made: s.o.Now(), tags: map[string]string{}}
	for _, t := range q.Tags {
		if err := checkText("tag", t); err != nil {
			return nil, err
		}
		e.tags[t.Key] = t.Value
	}
	s.exps = append(s.exps, e)
	return map[string]string{"experiment_id": id}, nil
}

func (s *Server) experiment(id, name string) *experiment {
	for _, e := range s.exps {
		if id != "" && e.id == id || id == "" && e.name == name {
			return e
		}
	}
	return nil
}

func (s *Server) getExperiment(_ context.Context, q *request) (any, error) {
	e := s.experiment(q.ExperimentID, q.ExperimentName)
	if e == nil {
		return nil, missing("Could not find experiment %s%s", q.ExperimentID, q.ExperimentName)
	}
	return map[string]any{"experiment": s.experimentAnswer(e)}, nil
}

func (s *Server) experimentAnswer(e *experiment) any {
	at := e.made.UnixMilli()
	return map[string]any{"experiment_id": e.id, "name": e.name, "artifact_location": s.artifacts(e.id), "lifecycle_stage": "active", "creation_time": at, "last_update_time": at, "tags": list(e.tags)}
}

func (s *Server) artifacts(parts ...string) string {
	if s.o.Artifacts == "" {
		return ""
	}
	return strings.TrimSuffix(s.o.Artifacts, "/") + "/" + strings.Join(parts, "/")
}

func (s *Server) searchExperiments(_ context.Context, q *request) (any, error) {
	if q.Filter != "" {
		return nil, invalid("filters are not known here: %q", q.Filter)
	}
	all := make([]any, 0, len(s.exps))
	for _, e := range s.exps {
		all = append(all, s.experimentAnswer(e))
	}
	return map[string]any{"experiments": all}, nil
}

func list(m map[string]string) []text {
	out := make([]text, 0, len(m))
	for _, key := range slices.Sorted(maps.Keys(m)) {
		out = append(out, text{key, m[key]})
	}
	return out
}

// checkText holds a parameter or a tag to the limits.
func checkText(what string, t text) error {
	if t.Key == "" || len(t.Key) > maxKey || !utf8.ValidString(t.Key) {
		return invalid("the name of a %s has from 1 to %d bytes", what, maxKey)
	}
	if len(t.Value) > maxValue {
		return invalid("%s %s has %d bytes, and %d is the most", what, t.Key, len(t.Value), maxValue)
	}
	return nil
}

// createRun starts a run.
func (s *Server) createRun(ctx context.Context, q *request) (any, error) {
	id := q.ExperimentID
	if id == "" {
		id = "0"
	}
	e := s.experiment(id, "")
	if e == nil {
		return nil, missing("No Experiment with id=%s exists", id)
	}
	if len(s.runs) >= maxRuns {
		return nil, full("there are %d runs, and no more are kept", maxRuns)
	}
	r := &run{Run: Run{ID: s.o.NewID(), Name: q.RunName, User: q.UserID, ExperimentID: e.id, Experiment: e.name, Status: "RUNNING", Started: s.o.Now()}, params: map[string]string{}, tags: map[string]string{}, last: map[string]metric{}}
	if q.StartTime > 0 {
		r.Started = time.UnixMilli(int64(q.StartTime)).UTC()
	}
	for _, t := range q.Tags {
		if t.Key == "mlflow.runName" && r.Name == "" {
			r.Name = t.Value
		}
	}
	if r.Name == "" {
		r.Name = "run-" + r.ID[:min(8, len(r.ID))]
	}
	tags := append([]text{{"mlflow.runName", r.Name}}, q.Tags...)
	if err := s.change(ctx, r, Change{New: true}, nil, nil, tags); err != nil {
		return nil, err
	}
	s.runs[r.ID] = r
	s.order = append(s.order, r)
	return map[string]any{"run": s.runAnswer(r)}, nil
}

// change checks what is set, has the sink keep it, and only then takes it into the state.
func (s *Server) change(ctx context.Context, r *run, c Change, metrics []metric, params, tags []text) error {
	c.Params, c.Tags = map[string]string{}, map[string]string{}
	for _, p := range params {
		if err := checkText("parameter", p); err != nil {
			return err
		}
		for _, had := range []map[string]string{r.params, c.Params} {
			if old, has := had[p.Key]; has && old != p.Value {
				return invalid("Changing param values is not allowed. Param with key='%s' was already logged with value='%s' for run ID='%s'. Attempted logging new value '%s'.", p.Key, old, r.ID, p.Value)
			}
		}
		c.Params[p.Key] = p.Value
	}
	for _, t := range tags {
		if err := checkText("tag", t); err != nil {
			return err
		}
		c.Tags[t.Key] = t.Value
	}
	for i := range metrics {
		p, err := s.point(&metrics[i])
		if err != nil {
			return err
		}
		c.Points = append(c.Points, p)
	}
	if max(len(r.params)+len(c.Params), len(r.tags)+len(c.Tags), len(r.last)+len(metrics)) > maxFields+maxMetrics {
		return full("run %s has more than %d parameters, tags or metrics", r.ID, maxFields)
	}
	next := r.Run
	if c.Run.ID == "" {
		c.Run = next
	}
	if name, ok := c.Tags["mlflow.runName"]; ok && name != "" {
		c.Run.Name = name
	}
	if err := s.o.Sink.Log(ctx, c); err != nil {
		return err
	}
	r.Run = c.Run
	maps.Copy(r.params, c.Params)
	maps.Copy(r.tags, c.Tags)
	for _, name := range c.Gone {
		delete(r.tags, name)
	}
	for _, m := range metrics {
		if old, has := r.last[m.Key]; !has || m.Step > old.Step || m.Step == old.Step && m.Timestamp >= old.Timestamp {
			r.last[m.Key] = m
		}
	}
	return nil
}

// point is a metric as a point; one without a time gets that of now, which the answers have too.
func (s *Server) point(m *metric) (metricfile.Point, error) {
	if m.Key == "" || len(m.Key) > maxKey || !utf8.ValidString(m.Key) {
		return metricfile.Point{}, invalid("the name of a metric has from 1 to %d bytes", maxKey)
	}
	if m.Value == nil {
		return metricfile.Point{}, invalid("metric %s has no value", m.Key)
	}
	if m.Timestamp <= 0 {
		m.Timestamp = whole(s.o.Now().UnixMilli())
	}
	p := metricfile.Point{Metric: m.Key, Value: float64(*m.Value), Step: int64(m.Step), HasStep: true, Time: time.UnixMilli(int64(m.Timestamp)).UTC()}
	for name, value := range map[string]string{"dataset": m.DatasetName, "dataset_digest": m.DatasetDigest, "model_id": m.ModelID} {
		if value != "" && len(value) <= maxKey {
			if p.Keys == nil {
				p.Keys = map[string]string{}
			}
			p.Keys[name] = value
		}
	}
	return p, nil
}

// find is the run of a request.
func (s *Server) find(q *request) (*run, error) {
	r := s.runs[q.run()]
	if r == nil {
		return nil, missing("Run with id=%s not found", q.run())
	}
	return r, nil
}

// alive is the run of a request that writes: not a deleted one.
func (s *Server) alive(q *request) (*run, error) {
	r, err := s.find(q)
	if err == nil && r.Deleted {
		return nil, invalid("The run %s must be in the 'active' state. Current state is deleted.", r.ID)
	}
	return r, err
}

func (s *Server) updateRun(ctx context.Context, q *request) (any, error) {
	r, err := s.alive(q)
	if err != nil {
		return nil, err
	}
	next := r.Run
	if q.Status != "" {
		if !slices.Contains([]string{"RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"}, q.Status) {
			return nil, invalid("status %q is not known", q.Status)
		}
		next.Status = q.Status
	}
	if q.EndTime > 0 {
		next.Ended = time.UnixMilli(int64(q.EndTime)).UTC()
	}
	var tags []text
	if q.RunName != "" {
		next.Name = q.RunName
		tags = []text{{"mlflow.runName", q.RunName}}
	}
	if err := s.change(ctx, r, Change{Run: next}, nil, nil, tags); err != nil {
		return nil, err
	}
	return map[string]any{"run_info": s.info(r)}, nil
}

func (s *Server) getRun(_ context.Context, q *request) (any, error) {
	r, err := s.find(q)
	if err != nil {
		return nil, err
	}
	return map[string]any{"run": s.runAnswer(r)}, nil
}

func (s *Server) info(r *run) any {
	stage := "active"
	if r.Deleted {
		stage = "deleted"
	}
	info := map[string]any{"run_id": r.ID, "run_uuid": r.ID, "run_name": r.Name, "experiment_id": r.ExperimentID, "user_id": r.User, "status": r.Status, "start_time": r.Started.UnixMilli(), "lifecycle_stage": stage, "artifact_uri": s.artifacts(r.ExperimentID, r.ID, "artifacts")}
	if !r.Ended.IsZero() {
		info["end_time"] = r.Ended.UnixMilli()
	}
	return info
}

func (s *Server) runAnswer(r *run) any {
	metrics := make([]metric, 0, len(r.last))
	for _, key := range slices.Sorted(maps.Keys(r.last)) {
		metrics = append(metrics, r.last[key])
	}
	return map[string]any{"info": s.info(r), "data": map[string]any{"metrics": metrics, "params": list(r.params), "tags": list(r.tags)}, "inputs": map[string]any{}}
}

// searchRuns gives the runs of experiments, the newest first.
func (s *Server) searchRuns(_ context.Context, q *request) (any, error) {
	if q.Filter != "" {
		return nil, invalid("filters are not known here: %q", q.Filter)
	}
	most := int(min(q.MaxResults, math.MaxInt32))
	if most <= 0 {
		most = 1000
	}
	found := []any{}
	for i := len(s.order) - 1; i >= 0 && len(found) < most; i-- {
		if r := s.order[i]; !r.Deleted && slices.Contains(q.ExperimentIDs, r.ExperimentID) {
			found = append(found, s.runAnswer(r))
		}
	}
	return map[string]any{"runs": found}, nil
}

func (s *Server) logMetric(ctx context.Context, q *request) (any, error) {
	r, err := s.alive(q)
	if err != nil {
		return nil, err
	}
	return struct{}{}, s.change(ctx, r, Change{}, []metric{q.metric}, nil, nil)
}

// logBatch takes all of a batch, or nothing.
func (s *Server) logBatch(ctx context.Context, q *request) (any, error) {
	r, err := s.alive(q)
	if err != nil {
		return nil, err
	}
	if m, p, t := len(q.Metrics), len(q.Params), len(q.Tags); m > maxMetrics || p > maxParams || t > maxTags || m+p+t > maxMetrics {
		return nil, invalid("a batch of %d metrics, %d parameters and %d tags: at most %d, %d and %d, and %d together", m, p, t, maxMetrics, maxParams, maxTags, maxMetrics)
	}
	return struct{}{}, s.change(ctx, r, Change{}, q.Metrics, q.Params, q.Tags)
}

func (s *Server) logParam(ctx context.Context, q *request) (any, error) {
	r, err := s.alive(q)
	if err != nil {
		return nil, err
	}
	return struct{}{}, s.change(ctx, r, Change{}, nil, []text{{q.Key, *q.Text}}, nil)
}

func (s *Server) setTag(ctx context.Context, q *request) (any, error) {
	r, err := s.alive(q)
	if err != nil {
		return nil, err
	}
	return struct{}{}, s.change(ctx, r, Change{}, nil, nil, []text{{q.Key, *q.Text}})
}

func (s *Server) deleteTag(ctx context.Context, q *request) (any, error) {
	r, err := s.alive(q)
	if err != nil {
		return nil, err
	}
	if _, has := r.tags[q.Key]; !has {
		return nil, missing("No tag with name: %s in run with id %s", q.Key, r.ID)
	}
	return struct{}{}, s.change(ctx, r, Change{Gone: []string{q.Key}}, nil, nil, nil)
}

// logInputs keeps the digests of data sets as tags.
func (s *Server) logInputs(ctx context.Context, q *request) (any, error) {
	r, err := s.alive(q)
	if err != nil {
		return nil, err
	}
	if len(q.Datasets) > maxTags {
		return nil, invalid("%d data sets, and %d is the most", len(q.Datasets), maxTags)
	}
	var tags []text
	for _, d := range q.Datasets {
		tags = append(tags, text{"dataset." + d.Dataset.Name, d.Dataset.Digest})
	}
	return struct{}{}, s.change(ctx, r, Change{}, nil, nil, tags)
}

// remove marks a run as deleted, or takes the mark off; nothing is lost.
func (s *Server) remove(ctx context.Context, q *request, deleted bool) (any, error) {
	r, err := s.find(q)
	if err != nil {
		return nil, err
	}
	next := r.Run
	next.Deleted = deleted
	return struct{}{}, s.change(ctx, r, Change{Run: next}, nil, nil, nil)
}
