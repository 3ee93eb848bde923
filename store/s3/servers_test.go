package s3_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"varve/store/s3"
)

const bucket = "vaults"

// server is an S3 service on this machine.
type server struct {
	endpoint string
	prefixes atomic.Int32
}

// options are those of a store below a prefix that nobody used yet.
func (s *server) options() s3.Options {
	return s3.Options{Endpoint: s.endpoint, Insecure: true, Bucket: bucket, Prefix: fmt.Sprintf("some/where-%d", s.prefixes.Add(1)),
		Style: s3.Path, Key: s3.Key{ID: "anybody", Secret: "nothing-secret"}}
}

func (s *server) open(t testing.TB, o s3.Options) *s3.Store {
	t.Helper()
	st, err := s3.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// fake is a service in this process.
func fake(t testing.TB) *server {
	t.Helper()
	return wrapped(t, func(h http.Handler) http.Handler { return h })
}

// wrapped is a service in this process with something before it.
func wrapped(t testing.TB, wrap func(http.Handler) http.Handler) *server {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket(bucket); err != nil {
		t.Fatal(err)
	}
	h := httptest.NewServer(wrap(gofakes3.New(backend).Server()))
	t.Cleanup(h.Close)
	return &server{endpoint: strings.TrimPrefix(h.URL, "http://")}
}

// program finds a server's binary, of a version that can what the words say. Where the whole suite must run it
// must be there.
func program(t testing.TB, name string, words ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		var help []byte
		if help, err = exec.Command(path, append(words, "--help")...).Output(); err == nil && !strings.Contains(string(help), strings.Join(words, " ")) {
			err = errors.New("too old")
		}
	}
	if err != nil {
		if os.Getenv("VARVE_CI") != "" {
			t.Fatalf("%s: %v", name, err)
		}
		t.Skipf("%s: %v: not run against it", name, err)
	}
	return path
}

// started runs a server until the test ends, and waits until it listens. arguments get its address and folder.
func started(t testing.TB, path string, environment []string, arguments func(address, dir string) []string) *server {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, bucket), 0o755); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, path, arguments(address, dir)...)
	cmd.Env = append([]string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH")}, environment...)
	var talk strings.Builder
	cmd.Stdout, cmd.Stderr = &talk, &talk
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait() // it was killed
		if t.Failed() {
			t.Logf("%s said:\n%s", path, talk.String())
		}
	})
	for range 200 {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
			return &server{endpoint: address}
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("%s does not listen", path)
	return nil
}

// gateway is versitygw over a folder: an independent service that honours conditional requests.
func gateway(t testing.TB) *server {
	t.Helper()
	return started(t, program(t, "versitygw"), []string{"ROOT_ACCESS_KEY=anybody", "ROOT_SECRET_KEY=nothing-secret"}, func(address, dir string) []string {
		return []string{"--port", address, "--quiet", "posix", dir}
	})
}

// weak is rclone's service over a folder, which does not honour them.
func weak(t testing.TB) *server {
	t.Helper()
	return started(t, program(t, "rclone", "serve", "s3"), nil, func(address, dir string) []string {
		return []string{"serve", "s3", "--addr", address, "--auth-key", "anybody,nothing-secret", "--vfs-cache-mode", "off", dir}
	})
}
