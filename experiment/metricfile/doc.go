// Package metricfile reads what training, evaluation and benchmark programs write about themselves, and gives runs with
// points: a metric, a value, a step, a time. It knows nothing of vaults.
//
// What it reads:
//
//   - MLflow: the file store (mlruns/<experiment>/<run>/{meta.yaml,metrics/**,params/**,tags/**}) and mlflow.db
//   - DVCLive folders (metrics.json, plots/metrics/**/*.tsv, params.yaml), dvc.yaml and dvc.lock
//   - JSON, YAML, TOML: nested names are joined with dots; CSV and TSV; JSON lines
//   - what programs print: name=value, name: value, or regular expressions of the caller
//   - CSV of Lightning, Keras and Ultralytics with the hparams.yaml or args.yaml beside it
//   - trainer_state.json of Hugging Face transformers
//   - TensorBoard event files
//   - go test -bench, hyperfine, pytest-benchmark, Criterion
//   - results of lm-evaluation-harness, wandb-summary.json
//
// What it promises. Values are those of the file, to the last bit: NaN and infinities stay, and are told; an integer that
// a float64 cannot hold is told. What had to be guessed (which column is the step) is told in Run.Notes. What could not
// be read is told in Run.Warnings with file and line, and does not cost the rest; nothing is left out in silence. Nothing
// is written beside the files that are read. What comes from the files is bounded by Limits before memory is taken.
//
// Names. A nested name is joined with a dot (eval.auroc), except where the program has its own separator (val/acc).
// Benchmarks have one point for each repetition, without a step: they are samples. Results of lm-evaluation-harness are
// named task.metric and carry the task as a key; the step is that of the model's revision when the revision is "stepN".
package metricfile
