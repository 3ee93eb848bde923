package creative

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"varve/format"
)

// TestShared: of the versions of a file, what is made of equal bytes is made once, and of others anew.
func TestShared(t *testing.T) {
	a := newAtelier(t)
	random := rand.New(rand.NewPCG(1, 2))
	big := make([]byte, 1<<20)
	for i := range big {
		big[i] = byte(random.Uint32())
	}
	common, made := &versions{by: map[string]any{}}, 0
	ask := func(in format.Input, off, n int64) string {
		t.Helper()
		v, err := format.Shared(in, off, n, "bytes", func() (string, error) {
			made++
			b, err := format.ReadSpan(in, off, n, n)
			return string(b), err
		})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for i, want := range []int{2, 3} { // the first half is made once
		copy(big[900_000:], fmt.Sprint("version ", i))
		a.write(map[string]string{"note": fmt.Sprint(i)})
		if err := os.WriteFile(filepath.Join(a.dir, "project", "big.bin"), big, 0o644); err != nil {
			t.Fatal(err)
		}
		it := a.open(a.snap(nil), "big.bin")
		common.of(it)
		for _, off := range []int64{0, 1 << 19} {
			if got := ask(it.Input, off, 1<<19); !bytes.Equal([]byte(got), big[off:off+1<<19]) {
				t.Errorf("version %d: other bytes at %d", i, off)
			}
		}
		if made != want {
			t.Errorf("version %d: made %d times, want %d", i, made, want)
		}
	}
	live := a.open(nil, "big.bin")
	common.of(live)
	ask(live.Input, 0, 10)
	ask(live.Input, 0, 10)
	if made != 5 {
		t.Errorf("made %d times: of a file of the folder nothing is known beforehand", made)
	}
}

// TestOnce: while two files are compared, what is made of one is made once, an error too; else every time.
func TestOnce(t *testing.T) {
	made := 0
	ask := func(in format.Input, fail bool) (int, error) {
		return format.Once(in, fmt.Sprint("thing", fail), func() (int, error) {
			if made++; fail {
				return 0, format.Malformed("no")
			}
			return made, nil
		})
	}
	it := &Item{Input: format.Bytes([]byte("x"))}
	for range 2 {
		_, _ = ask(it.Input, false)
	}
	k := it.keeping()
	for range 2 {
		if n, err := ask(k.Input, false); n != 3 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		if _, err := ask(k.Input, true); err == nil {
			t.Error("no error")
		}
	}
	if made != 4 {
		t.Errorf("made %d times", made)
	}
}
