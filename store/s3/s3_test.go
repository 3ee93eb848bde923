package s3_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"varve"
	"varve/store"
	"varve/store/remotetest"
	"varve/store/s3"
	"varve/store/storetest"
)

// must says that the whole suite is to run.
func must() bool { return os.Getenv("VARVE_CI") != "" }

func fake(t testing.TB) *remotetest.S3 { return remotetest.Fake(t, nil) }

func gateway(t testing.TB) *remotetest.S3 { return remotetest.Versitygw(t, must()) }

func TestConformance(t *testing.T) {
	for name, serve := range map[string]func(testing.TB) *remotetest.S3{"fake": fake, "versitygw": gateway} {
		t.Run(name, func(t *testing.T) {
			s := serve(t)
			storetest.Run(t, func(t *testing.T) store.Store { return s.Open(t, s.Options()) }, storetest.Options{Flat: name == "fake"})
		})
	}
}

// TestProbeFindsTheWeak: a service that replaces objects whatever it is asked is found out, and a vault made there
// says so.
func TestProbeFindsTheWeak(t *testing.T) {
	s := remotetest.Rclone(t, must())
	traits, err := store.Probe(t.Context(), s.Open(t, s.Options()), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if traits.CreateIfAbsent {
		t.Errorf("rclone serve s3 was probed as %+v", traits)
	}
	v, err := varve.Create(t.Context(), s.Open(t, s.Options()), varve.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !v.Info().Exclusive {
		t.Error("a vault made there takes several writers at once")
	}
}

// TestParts: an object above the size of a part is whole, is not replaced, and leaves no upload behind.
func TestParts(t *testing.T) {
	for name, serve := range map[string]func(testing.TB) *remotetest.S3{"fake": fake, "versitygw": gateway} {
		t.Run(name, func(t *testing.T) {
			s := serve(t)
			o := s.Options()
			o.PartSize = 5 << 20
			st := s.Open(t, o)
			content := make([]byte, 17<<20)
			if _, err := rand.Read(content); err != nil {
				t.Fatal(err)
			}
			if err := st.Put(t.Context(), "index/x", content); err != nil {
				t.Fatal(err)
			}
			got, err := st.Get(t.Context(), "index/x", 0, -1, nil)
			if err != nil || !bytes.Equal(got, content) {
				t.Fatalf("%d bytes came back of %d: %v", len(got), len(content), err)
			}
			if err := st.Put(t.Context(), "index/x", content[1:]); !errors.Is(err, fs.ErrExist) {
				t.Fatalf("it was put twice: %v", err)
			}
			if got := leftovers(t, st); len(got) != 0 {
				t.Errorf("uploads are left: %q", got)
			}
		})
	}
}

func leftovers(t *testing.T, st *s3.Store) (names []string) {
	t.Helper()
	for o, err := range st.Leftovers(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if o.Modified.IsZero() {
			t.Errorf("%s has no age", o.Name)
		}
		names = append(names, o.Name)
	}
	return names
}

// TestDiscard: an upload that a crash left is found and removed, and another's is not seen.
func TestDiscard(t *testing.T) {
	block := make(chan struct{})
	s := remotetest.Fake(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodDelete && r.URL.Query().Has("uploadId") {
				select {
				case <-block:
				default: // the crash: nothing is cleaned up
					w.WriteHeader(http.StatusForbidden)
					return
				}
			}
			if r.Method == http.MethodPut && r.URL.Query().Get("partNumber") == "2" {
				w.WriteHeader(http.StatusForbidden)
				return
			}
			h.ServeHTTP(w, r)
		})
	})
	o := s.Options()
	o.PartSize = 5 << 20
	st, other := s.Open(t, o), s.Open(t, s.Options())
	if err := st.Put(t.Context(), "index/x", make([]byte, 6<<20)); !errors.Is(err, fs.ErrPermission) {
		t.Fatalf("got %v, want a refusal", err)
	}
	close(block)
	left := leftovers(t, st)
	if len(left) != 1 || !strings.HasPrefix(left[0], "index/x?") {
		t.Fatalf("left is %q", left)
	}
	if got := leftovers(t, other); len(got) != 0 {
		t.Fatalf("below another prefix is %q", got)
	}
	for range 2 {
		if err := st.Discard(t.Context(), left[0]); err != nil {
			t.Fatal(err)
		}
	}
	if got := leftovers(t, st); len(got) != 0 {
		t.Fatalf("after the removal there is %q", got)
	}
}

// TestAnswersLost: whatever answer to a put is lost, an object that arrived counts as put by who put it, and as
// taken by anybody else.
func TestAnswersLost(t *testing.T) {
	var lose atomic.Bool
	s := remotetest.Fake(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPut && lose.Swap(false) {
				h.ServeHTTP(discarding{http.Header{}}, r)
				panic(http.ErrAbortHandler)
			}
			h.ServeHTTP(w, r)
		})
	})
	st := s.Open(t, s.Options())
	lose.Store(true)
	if err := st.Put(t.Context(), "snap/a", []byte("mine")); err != nil {
		t.Fatalf("own object, answer lost: %v", err)
	}
	if lose.Load() {
		t.Fatal("no answer was lost")
	}
	if err := st.Put(t.Context(), "snap/a", []byte("mine")); !errors.Is(err, fs.ErrExist) {
		t.Fatalf("an equal object put before: %v", err)
	}
	if err := st.Put(t.Context(), "snap/b", []byte("theirs")); err != nil {
		t.Fatal(err)
	}
	lose.Store(true)
	if err := st.Put(t.Context(), "snap/b", []byte("mine")); !errors.Is(err, fs.ErrExist) {
		t.Fatalf("another's object, answer lost: %v", err)
	}
}

type discarding struct{ header http.Header }

func (d discarding) Header() http.Header         { return d.header }
func (d discarding) Write(p []byte) (int, error) { return len(p), nil }
func (d discarding) WriteHeader(int)             {}

// TestUndecided: a conflict says nothing about the object. It is put again until it is there or taken.
func TestUndecided(t *testing.T) {
	var conflicts atomic.Int32
	s := remotetest.Fake(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPut && conflicts.Add(-1) >= 0 {
				_, _ = io.Copy(io.Discard, r.Body)
				w.WriteHeader(http.StatusConflict)
				return
			}
			h.ServeHTTP(w, r)
		})
	})
	st := s.Open(t, s.Options())
	conflicts.Store(2)
	if err := st.Put(t.Context(), "a", []byte("x")); err != nil {
		t.Fatalf("absent: %v", err)
	}
	conflicts.Store(1)
	if err := st.Put(t.Context(), "a", []byte("y")); !errors.Is(err, fs.ErrExist) {
		t.Fatalf("there: %v", err)
	}
	got, err := st.Get(t.Context(), "a", 0, -1, nil)
	if err != nil || string(got) != "x" {
		t.Fatalf("it holds %q, %v", got, err)
	}
}

// TestRefusesConditions: a service that knows no conditional requests can be used, and is found out.
func TestRefusesConditions(t *testing.T) {
	s := remotetest.Fake(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("If-None-Match") != "" {
				w.WriteHeader(http.StatusNotImplemented)
				return
			}
			h.ServeHTTP(w, r)
		})
	})
	st := s.Open(t, s.Options())
	if err := st.Put(t.Context(), "a", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := st.Put(t.Context(), "a", []byte("y")); !errors.Is(err, fs.ErrExist) {
		t.Fatalf("one after the other: %v", err)
	}
	traits, err := store.Probe(t.Context(), st, rand.Reader)
	if err != nil || traits.CreateIfAbsent {
		t.Errorf("probed as %+v, %v", traits, err)
	}
}

// TestChecksums: what the service has of an upload is compared, and an answer cut short is asked for again.
func TestChecksums(t *testing.T) {
	var cut, lie, shorten atomic.Bool
	s := remotetest.Fake(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.Method == http.MethodGet && cut.Swap(false):
				w.Header().Set("Content-Length", "5")
				w.Header().Set("Last-Modified", "Mon, 02 Jan 2006 15:04:05 GMT")
				_, _ = w.Write([]byte("he"))
			case r.Method == http.MethodPut && lie.Load():
				if r.Header.Get("X-Amz-Checksum-Crc32c") != "mnG7TA==" { // of "hello", by the published polynomial
					t.Errorf("CRC-32C sent: %q", r.Header.Get("X-Amz-Checksum-Crc32c"))
				}
				w.Header().Set("X-Amz-Checksum-Crc32c", "AAAAAA==")
				h.ServeHTTP(w, r)
			case r.Method == http.MethodPut && shorten.Load():
				r.Header.Del("X-Amz-Checksum-Crc32c")
				r.Body, r.ContentLength = io.NopCloser(strings.NewReader("hell")), 4
				r.Header.Set("Content-Length", "4")
				h.ServeHTTP(w, r)
			default:
				h.ServeHTTP(w, r)
			}
		})
	})
	st := s.Open(t, s.Options())
	if err := st.Put(t.Context(), "a", []byte("hello")); err != nil {
		t.Fatal(err)
	}
	cut.Store(true)
	got, err := st.Get(t.Context(), "a", 0, -1, []byte("oh "))
	if err != nil || string(got) != "oh hello" || cut.Load() {
		t.Errorf("after an answer cut short: %q, %v", got, err)
	}
	lie.Store(true)
	if err := st.Put(t.Context(), "b", []byte("hello")); err == nil || !strings.Contains(err.Error(), "CRC-32C") {
		t.Errorf("another checksum at the service: %v", err)
	}
	lie.Store(false)
	shorten.Store(true)
	if err := st.Put(t.Context(), "c", []byte("hello")); err == nil || !strings.Contains(err.Error(), "4 bytes arrived of 5") {
		t.Errorf("fewer bytes at the service: %v", err)
	}
}

// TestListPages: a listing goes on over pages, and does not show what is not the store's.
func TestListPages(t *testing.T) {
	s := fake(t)
	o := s.Options()
	st := s.Open(t, o)
	o.Prefix += "0" // sorts behind it and starts with the same letters
	if err := s.Open(t, o).Put(t.Context(), "no", nil); err != nil {
		t.Fatal(err)
	}
	var want []string
	for i := range 2345 {
		name := fmt.Sprintf("packs/%04d", i)
		want = append(want, name)
		if err := st.Put(t.Context(), name, nil); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for o, err := range st.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, o.Name)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%d objects are listed of %d", len(got), len(want))
	}
}

// TestNoBucket: that the bucket is not there is not taken for an object that is not there.
func TestNoBucket(t *testing.T) {
	s := fake(t)
	o := s.Options()
	o.Bucket = "another"
	st := s.Open(t, o)
	for what, err := range map[string]error{"put": st.Put(t.Context(), "a", nil), "get": second(st.Get(t.Context(), "a", 0, -1, nil))} {
		if err == nil || errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "there is no bucket another") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func second(_ []byte, err error) error { return err }

// TestWrongKey: a service that checks keys refuses a wrong one, and the error says so.
func TestWrongKey(t *testing.T) {
	s := gateway(t)
	o := s.Options()
	o.Key.Secret = "wrong"
	err := s.Open(t, o).Put(t.Context(), "a", nil)
	if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "key") {
		t.Errorf("got %v", err)
	}
	file := t.TempDir() + "/credentials"
	if err := os.WriteFile(file, []byte("[other]\naws_access_key_id = anybody\naws_secret_access_key = nothing-secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	o.Key = s3.Key{File: file, Profile: "other"}
	if err := s.Open(t, o).Put(t.Context(), "a", nil); err != nil {
		t.Errorf("the right key from a file: %v", err)
	}
}

func TestParse(t *testing.T) {
	for text, want := range map[string]s3.Options{
		"s3://host/bucket": {Endpoint: "host", Bucket: "bucket"},
		"s3://host:9000/bucket/a/b/?region=eu-west-1":  {Endpoint: "host:9000", Bucket: "bucket", Prefix: "a/b", Region: "eu-west-1"},
		"s3+http://[::1]:9000/bucket/a?style=path":     {Endpoint: "[::1]:9000", Insecure: true, Bucket: "bucket", Prefix: "a", Style: s3.Path},
		"s3://h/bucket?insecure=1&style=virtual&ca=/x": {Endpoint: "h", Insecure: true, Bucket: "bucket", Style: s3.Virtual, CA: "/x"},
	} {
		got, err := s3.Parse(text)
		if err != nil || got != want {
			t.Errorf("%s is %+v, %v, want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "s3://", "s3://host", "s3://host/", "http://host/bucket", "s3://h/b", "s3://key:secret@host/bucket", "s3://h/bucket?colour=red",
		"s3://h/bucket?style=odd", "s3://h/bucket/a/../b", "s3://h/bucket//a//b", "s3://h/bucket/" + strings.Repeat("a", 900), "s3://h/bucket?%zz", "s3:// /bucket"} {
		if got, err := s3.Parse(text); err == nil {
			t.Errorf("%q is %+v", text, got)
		}
	}
}

// FuzzParse: an address that is understood names a bucket and makes a store.
func FuzzParse(f *testing.F) {
	f.Add("s3://host:9000/bucket/a/b?region=eu-west-1&style=path")
	f.Add("s3+http://[::1]/bucket")
	f.Fuzz(func(t *testing.T, text string) {
		o, err := s3.Parse(text)
		if err != nil {
			return
		}
		if o.Bucket == "" || o.Endpoint == "" || strings.HasSuffix(o.Prefix, "/") {
			t.Errorf("%q is %+v", text, o)
		}
		o.CA = ""
		if _, err := s3.New(o); err != nil {
			t.Logf("%q: %v", text, err) // an endpoint that is no host's name
		}
	})
}
