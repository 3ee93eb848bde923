package metricfile

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

// million is how many points each benchmark reads.
const million = 1_000_000

// BenchmarkMillion reads 10^6 points of each format that holds so many.
func BenchmarkMillion(b *testing.B) {
	var jsonl, csv, mlflow, doc, log, bench strings.Builder
	csv.WriteString("epoch,step,loss,acc\n")
	doc.WriteString("[")
	for i := range million {
		fmt.Fprintf(&jsonl, `{"metric":"train/loss","value":%.6f,"step":%d,"time":"2026-01-02T03:04:05.123456Z","seed":%d}`+"\n", 1/float64(i+1), i, i%5)
		fmt.Fprintf(&mlflow, "%d %.6f %d\n", 1783757000000+i, 1/float64(i+1), i)
		fmt.Fprintf(&log, "step %d loss=%.6f\n", i, 1/float64(i+1))
		fmt.Fprintf(&bench, "BenchmarkX-8 \t 100\t %d ns/op\n", i)
		if i%2 == 0 {
			fmt.Fprintf(&csv, "%d,%d,%.6f,%.6f\n", i/100, i, 1/float64(i+1), 0.5)
			fmt.Fprintf(&doc, `{"step":%d,"loss":%.6f,"acc":%.3f},`, i, 1/float64(i+1), 0.5)
		}
	}
	doc.WriteString("{}]")
	tf := events(func(w *eventWriter) {
		for i := range million {
			w.scalar(int64(i), "train/loss", 1)
		}
	})
	meta := "run_id: x\nrun_name: x\nexperiment_id: '0'\n"
	fsys := files(map[string]string{"m.jsonl": jsonl.String(), "m.csv": csv.String(), "r/meta.yaml": meta, "r/metrics/loss": mlflow.String(), "m.json": doc.String(), "m.log": log.String(), "b.txt": bench.String(), "x.tfevents": tf})
	for _, name := range []string{"m.jsonl", "m.csv", "r", "m.json", "m.log", "b.txt", "x.tfevents"} {
		b.Run(name, func(b *testing.B) { benchmarkRead(b, fsys, name) })
	}
	dir := b.TempDir()
	makeDB(b, filepath.Join(dir, "mlflow.db"), schema, rows, "DELETE FROM metrics", `WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i+1 FROM n WHERE i < 999999) INSERT INTO metrics SELECT 'train/loss', 1.0/(i+1), 1783757000000+i, 'r1', i, 0 FROM n`).Close()
	data, err := os.ReadFile(filepath.Join(dir, "mlflow.db"))
	if err != nil {
		b.Fatal(err)
	}
	b.Run("mlflow.db", func(b *testing.B) { benchmarkRead(b, fstest.MapFS{"mlflow.db": {Data: data}}, "mlflow.db") })
}

func benchmarkRead(b *testing.B, fsys fstest.MapFS, name string) {
	b.ReportAllocs()
	for b.Loop() {
		runs, err := Read(context.Background(), fsys, name, Options{})
		if err != nil {
			b.Fatal(err)
		}
		n := 0
		for _, run := range runs {
			n += len(run.Points)
		}
		if n != million {
			b.Fatalf("%d points", n)
		}
	}
	b.ReportMetric(float64(b.N)*million/b.Elapsed().Seconds(), "points/s")
}
