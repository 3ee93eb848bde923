package varve_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"testing"
	"time"
)

// survey describes everything below dir that a verb may not change: all but the project and what is in out.
func survey(t testing.TB, dir string) map[string]string {
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		info, err := e.Info()
		if err != nil {
			return err
		}
		if rel == "project" || rel == "out" {
			out[rel] = info.Mode().String()
			return fs.SkipDir
		}
		text := fmt.Sprint(info.Mode(), info.ModTime())
		if !e.IsDir() {
			text += fmt.Sprint(info.Size(), nameCount(info))
		}
		if info.Mode().IsRegular() {
			b, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			text += string(b)
		}
		out[rel] = text
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// heapPeak returns a function that ends the watch over the heap and says how far it has grown meanwhile.
func heapPeak() func() uint64 {
	old := debug.SetMemoryLimit(hostileHeap * 3 / 4) // as the command does: else garbage would count
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	read := func() uint64 { metrics.Read(sample); return sample[0].Value.Uint64() }
	runtime.GC()
	began, peak := read(), uint64(0)
	stop, done := make(chan struct{}), sync.WaitGroup{}
	done.Go(func() {
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				peak = max(peak, read())
			}
		}
	})
	return func() uint64 {
		close(stop)
		done.Wait()
		debug.SetMemoryLimit(old)
		return peak - min(peak, began)
	}
}
