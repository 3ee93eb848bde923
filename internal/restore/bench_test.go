package restore

import (
	"context"
	"fmt"
	"testing"

	"varve/internal/disk"
)

func benchmark(b *testing.B, m model, chunk int) {
	v := newVault(b)
	root := v.putSized(m, chunk)
	bytes := int64(0)
	for _, s := range m {
		bytes += int64(len(s.content))
	}
	b.SetBytes(bytes)
	top := realDir(b)
	for i := 0; b.Loop(); i++ {
		name := fmt.Sprint(i)
		if err := top.Mkdir(name, 0o755); err != nil {
			b.Fatal(err)
		}
		d, err := top.OpenDir(name)
		if err != nil {
			b.Fatal(err)
		}
		p, err := Make(context.Background(), v.options(root, d))
		if err != nil {
			b.Fatal(err)
		}
		r, err := p.Apply(context.Background())
		if err != nil || len(r.Errors) > 0 {
			b.Fatal(err, r)
		}
		d.Close()
	}
	b.ReportMetric(float64(len(m))*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
}

func BenchmarkSmallFiles(b *testing.B) {
	m := model{}
	for i := range 500 {
		dir := fmt.Sprintf("d%03d", i)
		m[dir] = spec{typ: disk.Directory, mode: 0o755, mtime: epoch}
		for j := range 100 {
			m[fmt.Sprintf("%s/f%02d", dir, j)] = file(noise(uint64(i*100+j), 1600))
		}
	}
	benchmark(b, m, 64<<10)
}

func BenchmarkBigFile(b *testing.B) {
	benchmark(b, model{"big": file(noise(1, 512<<20))}, 256<<10)
}
