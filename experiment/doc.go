// Package experiment is the version manager for work with models: it guards a change with a snapshot, keeps what the
// run measured beside the snapshot, judges it by a policy, and takes a bad change back.
//
// # Promises
//
// A run begins with a snapshot of the project (or the last one, where nothing changed) and ends with another, so that
// no state is lost: what a rollback takes away was kept first. A rollback touches only its scope, never what somebody
// else wrote while the run was under way, and is whole or not at all (see varve.Project.Revert).
//
// A run that was not measured is never called good, and two runs are not compared where what they were evaluated on
// differs, unless the caller insists; then it is said.
//
// # Bytes
//
// Runs and metrics are records of the vault (kinds run and series; see Schemas). While a run is under way its state is
// in the project's folder:
//
//	.varve/runs/<id>/run.json       what Begin was told, and found
//	.varve/runs/<id>/metrics.jsonl  VARVE_METRICS: what the run logs, one JSON object a line
//	.varve/runs/<id>/output.txt     the end of what the command printed
package experiment
