package metricfile_test

import (
	"context"
	"fmt"
	"testing/fstest"

	"varve/experiment/metricfile"
)

func ExampleFind() {
	project := fstest.MapFS{
		"out/metrics.csv":          {Data: []byte("epoch,loss\n0,0.5\n1,0.25\n")},
		"out/eval_results.json":    {Data: []byte(`{"auroc": 0.91, "seed": 7}`)},
		"out/broken/metrics.jsonl": {Data: []byte("{\"loss\": 1, \"step\": 1}\n{\"loss\":")},
	}
	for run, err := range metricfile.Find(context.Background(), project, nil, metricfile.Options{}) {
		if err != nil {
			fmt.Println(err)
			continue
		}
		for _, metric := range run.Metrics() {
			last, _ := run.Last(metric)
			fmt.Println(run.Source, metric, last.Value, last.Keys)
		}
		for _, w := range run.Warnings {
			fmt.Println(w)
		}
	}
	// Output:
	// out/broken/metrics.jsonl loss 1 map[]
	// out/broken/metrics.jsonl:2: left out: the text ends where a value is expected: it is cut off (the last line has no end: the writer was stopped)
	// out/eval_results.json auroc 0.91 map[seed:7]
	// out/metrics.csv loss 0.25 map[]
}
