package storetest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/bits"
	"testing"
	"testing/synctest"
	"time"

	"varve/store"
	"varve/store/storetest"
)

func TestSimTellsTheTruth(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Store { return storetest.NewSim(1, nil) }, storetest.Options{})
}

func count(t *testing.T, s store.Store) int {
	t.Helper()
	n := 0
	for _, err := range s.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

func TestSimFaults(t *testing.T) {
	ctx := context.Background()
	whole := bytes.Repeat([]byte("whole"), 100)
	tests := []struct {
		name  string
		fault storetest.Fault
		want  error
		left  []byte // of the object afterwards; nil: absent
	}{
		{"lost", storetest.Lost, storetest.ErrLost, nil},
		{"lost reply", storetest.LostReply, storetest.ErrLost, whole},
		{"delayed", storetest.Delayed, storetest.ErrLost, nil},
		{"truncated", storetest.Truncated, nil, whole[:250]},
		{"read fault in a put", storetest.FlippedRead, nil, whole},
	}
	for _, test := range tests {
		s := storetest.NewSim(1, storetest.At(1, test.fault))
		if err := s.Put(ctx, "x", whole); !errors.Is(err, test.want) {
			t.Fatalf("%s: error %v, want %v", test.name, err, test.want)
		}
		got, err := s.Truth().Get(ctx, "x", 0, -1, nil)
		if (test.left == nil) != errors.Is(err, fs.ErrNotExist) || !bytes.Equal(got, test.left) {
			t.Fatalf("%s: left %d bytes, %v", test.name, len(got), err)
		}
		s.Settle()
		_, err = s.Truth().Stat(ctx, "x")
		if arrived := err == nil; arrived != (test.fault != storetest.Lost) {
			t.Fatalf("%s: arrived %v once settled", test.name, arrived)
		}
	}
}

func TestSimFlipsOneBit(t *testing.T) {
	ctx := t.Context()
	want := make([]byte, 1000)
	for n, fault := range []storetest.Fault{storetest.FlippedStore, storetest.FlippedRead} {
		s := storetest.NewSim(1, storetest.At(int64(n+1), fault))
		if err := s.Put(ctx, "x", want); err != nil {
			t.Fatal(err)
		}
		for read, flipped := range [2]int{1, 1 - n} { // a read fault is gone the second time
			got, err := s.Get(ctx, "x", 0, -1, nil)
			if err != nil {
				t.Fatal(err)
			}
			ones := 0
			for _, b := range got {
				ones += bits.OnesCount8(b)
			}
			if ones != flipped || len(got) != len(want) {
				t.Fatalf("fault %d, read %d: %d bits of %d bytes flipped", fault, read, ones, len(got))
			}
		}
	}
}

func TestSimDelayedDeleteHitsTheNextObject(t *testing.T) {
	s := storetest.NewSim(3, storetest.At(2, storetest.Delayed))
	ctx := t.Context()
	if err := s.Put(ctx, "x", nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(ctx, "x"); !errors.Is(err, storetest.ErrLost) {
		t.Fatal(err)
	}
	if _, err := s.Truth().Stat(ctx, "x"); err != nil {
		t.Fatal("a delayed delete happened at once")
	}
	for range 13 {
		if err := s.Barrier(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Truth().Stat(ctx, "x"); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("a delayed delete never happened: %v", err)
	}
}

func TestSimListsLie(t *testing.T) {
	for _, fault := range []storetest.Fault{storetest.StaleList, storetest.MissingEntry} {
		short := 0
		for seed := range uint64(20) {
			s := storetest.NewSim(seed, storetest.At(11, fault))
			for i := range 10 {
				if err := s.Put(t.Context(), fmt.Sprintf("o/%d", i), []byte("x")); err != nil {
					t.Fatal(err)
				}
			}
			lied, told := count(t, s), count(t, s)
			if told != 10 {
				t.Fatalf("an honest listing shows %d of 10", told)
			}
			if fault == storetest.MissingEntry && lied != 9 {
				t.Fatalf("a listing without one entry shows %d of 10", lied)
			}
			if lied < 10 {
				short++
			}
		}
		if short < 10 {
			t.Fatalf("fault %d: only %d of 20 listings lied", fault, short)
		}
	}
}

func TestSimSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before := time.Now()
		s := storetest.NewSim(1, storetest.At(1, storetest.Slow))
		if err := s.Put(t.Context(), "x", nil); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(before); took <= 0 || took > storetest.MaxLatency {
			t.Fatalf("took %v", took)
		}
	})
}

// TestSimRepeats: the same seed lies in the same places, another one elsewhere.
func TestSimRepeats(t *testing.T) {
	run := func(seed uint64) string {
		var rates storetest.Rates
		for _, fault := range []storetest.Fault{storetest.Lost, storetest.LostReply, storetest.Delayed, storetest.Truncated,
			storetest.FlippedStore, storetest.FlippedRead, storetest.StaleList, storetest.MissingEntry} {
			rates[fault] = 50
		}
		s := storetest.NewSim(seed, rates.Plan())
		var trace bytes.Buffer
		for i := range 200 {
			name := fmt.Sprintf("o/%d", i%40)
			fmt.Fprintln(&trace, s.Put(t.Context(), name, []byte(name)))
			got, err := s.Get(t.Context(), name, 0, -1, nil)
			fmt.Fprintf(&trace, "%q %v\n", got, err)
			for o, err := range s.List(t.Context(), "o/") {
				fmt.Fprintln(&trace, o, err)
			}
			if i%3 == 0 {
				fmt.Fprintln(&trace, s.Delete(t.Context(), name))
			}
		}
		return trace.String()
	}
	if run(1) != run(1) {
		t.Fatal("seed 1 gave two histories")
	}
	if run(1) == run(2) {
		t.Fatal("seeds 1 and 2 gave one history")
	}
}
