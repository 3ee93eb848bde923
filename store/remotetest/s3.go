// Package remotetest runs servers on this machine for tests of remote stores: services of the S3 protocol and hosts
// that are reached by SFTP. Those that are programs must be installed; a test that cannot have one is skipped, or
// fails where must says that the whole suite is to run.
package remotetest

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

// KeyID and Secret are what every service takes.
const (
	KeyID  = "anybody"
	Secret = "nothing-secret"
)

// Bucket is there in every service.
const Bucket = "vaults"

// S3 is a service on this machine.
type S3 struct {
	Endpoint string // HOST:PORT, plain HTTP
	prefixes atomic.Int32
}

// Options are those of a store below a prefix that nobody used yet.
func (s *S3) Options() s3.Options {
	return s3.Options{Endpoint: s.Endpoint, Insecure: true, Bucket: Bucket, Prefix: fmt.Sprintf("some/where-%d", s.prefixes.Add(1)),
		Style: s3.Path, Key: s3.Key{ID: KeyID, Secret: Secret}}
}

// Open returns the store that o describes.
func (s *S3) Open(t testing.TB, o s3.Options) *s3.Store {
	t.Helper()
	st, err := s3.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// Fake is a service in this process, with something before it; nil for nothing.
func Fake(t testing.TB, before func(http.Handler) http.Handler) *S3 {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket(Bucket); err != nil {
		t.Fatal(err)
	}
	handler := gofakes3.New(backend).Server()
	if before != nil {
		handler = before(handler)
	}
	h := httptest.NewServer(handler)
	t.Cleanup(h.Close)
	return &S3{Endpoint: strings.TrimPrefix(h.URL, "http://")}
}

// program finds a server's binary, of a version that can what the words say.
func program(t testing.TB, must bool, name string, words ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		var help []byte
		if help, err = exec.Command(path, append(words, "--help")...).Output(); err == nil && !strings.Contains(string(help), strings.Join(words, " ")) {
			err = errors.New("too old")
		}
	}
	if err != nil {
		if must {
			t.Fatalf("%s: %v", name, err)
		}
		t.Skipf("%s: %v: not run against it", name, err)
	}
	return path
}

// started runs a server until the test ends, and waits until it listens. arguments get its address and folder.
func started(t testing.TB, path string, environment []string, arguments func(address, dir string) []string) *S3 {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, Bucket), 0o755); err != nil {
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
	cmd.Env = append([]string{"HOME=" + t.TempDir()}, environment...)
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
			return &S3{Endpoint: address}
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("%s does not listen", path)
	return nil
}

// Versitygw is versitygw over a folder: an independent service that honours conditional requests.
func Versitygw(t testing.TB, must bool) *S3 {
	t.Helper()
	return started(t, program(t, must, "versitygw"), []string{"ROOT_ACCESS_KEY=" + KeyID, "ROOT_SECRET_KEY=" + Secret}, func(address, dir string) []string {
		return []string{"--port", address, "--quiet", "posix", dir}
	})
}

// Rclone is rclone's service over a folder, of a version that does not honour them.
func Rclone(t testing.TB, must bool) *S3 {
	t.Helper()
	return started(t, program(t, must, "rclone", "serve", "s3"), nil, func(address, dir string) []string {
		return []string{"serve", "s3", "--addr", address, "--auth-key", KeyID + "," + Secret, "--vfs-cache-mode", "off", dir}
	})
}
