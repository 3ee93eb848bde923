package sftp_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"golang.org/x/crypto/ssh/knownhosts"

	"varve/store"
	"varve/store/remotetest"
	"varve/store/sftp"
	"varve/store/storetest"
)

// must says that the whole suite is to run.
func must() bool { return os.Getenv("VARVE_CI") != "" }

func write(t testing.TB, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestConformance(t *testing.T) {
	for name, serve := range map[string]func(testing.TB) remotetest.Serve{
		"OpenSSH":               func(t testing.TB) remotetest.Serve { return remotetest.OpenSSH(t, must()) },
		"OpenSSH without links": func(t testing.TB) remotetest.Serve { return remotetest.OpenSSH(t, must(), "-P", "hardlink") },
		"library":               func(testing.TB) remotetest.Serve { return remotetest.Library },
	} {
		t.Run(name, func(t *testing.T) {
			h := remotetest.Listen(t, serve(t))
			storetest.Run(t, func(t *testing.T) store.Store { return h.Open(t) }, storetest.Options{})
		})
	}
}

// TestFiles: an object is a file, nothing is left beside it, and the directory is its owner's alone.
func TestFiles(t *testing.T) {
	h := remotetest.Listen(t, remotetest.Library)
	o := h.Options
	o.Path = filepath.ToSlash(filepath.Join(t.TempDir(), "vault"))
	s := sftp.New(o)
	defer s.Close()
	if err := s.Put(t.Context(), "packs/3f/x", []byte("hel"), []byte("lo")); err != nil {
		t.Fatal(err)
	}
	if err := s.Put(t.Context(), "packs/3f/x", []byte("other")); !errors.Is(err, fs.ErrExist) {
		t.Fatal(err)
	}
	var files []string
	err := filepath.WalkDir(o.Path, func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, filepath.ToSlash(strings.TrimPrefix(p, o.Path)))
		}
		return err
	})
	if err != nil || !slices.Equal(files, []string{"/packs/3f/x"}) {
		t.Errorf("on the server are %q, %v", files, err)
	}
	if b, err := os.ReadFile(filepath.Join(o.Path, "packs/3f/x")); err != nil || string(b) != "hello" {
		t.Errorf("the file holds %q, %v", b, err)
	}
	if info, err := os.Stat(o.Path); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the root is %v, %v", info.Mode(), err)
	}
}

// TestDurable: a server that can sync is used to, and what one that cannot does is said.
func TestDurable(t *testing.T) {
	for _, c := range []struct {
		name  string
		serve remotetest.Serve
		want  bool
	}{{"OpenSSH", remotetest.OpenSSH(t, must()), true}, {"library", remotetest.Library, false}} {
		s := remotetest.Listen(t, c.serve).Open(t)
		if err := s.Put(t.Context(), "a/b", []byte("x")); err != nil {
			t.Fatal(err)
		}
		if err := s.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := s.Describe().Durable; got != c.want {
			t.Errorf("%s: durable is %v", c.name, got)
		}
	}
}

// TestLeftovers: the file of a put that a crash cut short is found and removed; an object is not.
func TestLeftovers(t *testing.T) {
	h := remotetest.Listen(t, remotetest.Library)
	o := h.Options
	o.Path = filepath.ToSlash(filepath.Join(t.TempDir(), "vault"))
	s := sftp.New(o)
	defer s.Close()
	if err := s.Put(t.Context(), "packs/3f/x", nil); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(o.Path, "packs/3f/tmp-00"), []byte("half"))
	var left []string
	for l, err := range s.Leftovers(t.Context()) {
		if err != nil || l.Size != 4 || l.Modified.IsZero() {
			t.Fatalf("%+v, %v", l, err)
		}
		left = append(left, l.Name)
	}
	if !slices.Equal(left, []string{"packs/3f/tmp-00"}) {
		t.Fatalf("left is %q", left)
	}
	for range 2 {
		if err := s.Discard(t.Context(), left[0]); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Discard(t.Context(), "packs/3f/x"); !errors.Is(err, store.ErrName) {
		t.Errorf("an object was discarded: %v", err)
	}
	if _, err := os.Stat(filepath.Join(o.Path, "packs/3f/tmp-00")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
}

// deaf is a channel whose server does a request that holds what, and does not come to answer it.
type deaf struct {
	io.ReadWriteCloser
	what []byte
	once *atomic.Bool // whether it is still to happen
	cut  func()
	done bool
}

func (d *deaf) Read(p []byte) (int, error) {
	n, err := d.ReadWriteCloser.Read(p)
	if bytes.Contains(p[:n], d.what) && d.once.Swap(false) {
		d.done = true
	}
	return n, err
}

func (d *deaf) Write(p []byte) (int, error) {
	if d.done {
		d.cut()
		return 0, io.ErrClosedPipe
	}
	return d.ReadWriteCloser.Write(p)
}

// TestAnswerLost: an object that was published, but whose connection was cut before the answer, counts as put by
// who put it.
func TestAnswerLost(t *testing.T) {
	var once atomic.Bool
	var h *remotetest.Host
	h = remotetest.Listen(t, func(c io.ReadWriteCloser) error {
		return remotetest.Library(&deaf{ReadWriteCloser: c, what: []byte("hardlink@openssh.com"), once: &once, cut: h.HangUp})
	})
	s := h.Open(t)
	once.Store(true)
	if err := s.Put(t.Context(), "snap/a", []byte("mine")); err != nil {
		t.Fatal(err)
	}
	if once.Load() {
		t.Fatal("no answer was lost")
	}
	if got, err := s.Get(t.Context(), "snap/a", 0, -1, nil); err != nil || string(got) != "mine" {
		t.Fatalf("%q, %v", got, err)
	}
	once.Store(true)
	if err := s.Put(t.Context(), "snap/a", []byte("other")); !errors.Is(err, fs.ErrExist) {
		t.Fatalf("another's object, answer lost: %v", err)
	}
}

// TestConnectionLost: a call on a connection that was cut is done on a new one.
func TestConnectionLost(t *testing.T) {
	h := remotetest.Listen(t, remotetest.Library)
	s := h.Open(t)
	if err := s.Put(t.Context(), "a", []byte("mine")); err != nil {
		t.Fatal(err)
	}
	h.HangUp()
	if got, err := s.Get(t.Context(), "a", 0, -1, nil); err != nil || string(got) != "mine" {
		t.Fatalf("after the cut: %q, %v", got, err)
	}
	h.HangUp()
	if err := s.Put(t.Context(), "b", []byte("late")); err != nil {
		t.Fatalf("after the cut: %v", err)
	}
	h.HangUp()
	if err := s.Put(t.Context(), "b", []byte("other")); !errors.Is(err, fs.ErrExist) {
		t.Fatalf("another's object, after the cut: %v", err)
	}
}

// TestAgent: keys of an agent are used.
func TestAgent(t *testing.T) {
	h := remotetest.Listen(t, remotetest.Library)
	ring := agent.NewKeyring()
	b, err := os.ReadFile(h.Options.Identities[0])
	if err != nil {
		t.Fatal(err)
	}
	private, err := ssh.ParseRawPrivateKey(b)
	if err != nil {
		t.Fatal(err)
	}
	if err := ring.Add(agent.AddedKey{PrivateKey: private}); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Skipf("no sockets of this kind here: %v", err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _ = agent.ServeAgent(ring, c) }()
		}
	}()
	h.Options.Identities, h.Options.Agent = nil, socket
	if err := h.Open(t).Put(t.Context(), "a", nil); err != nil {
		t.Fatal(err)
	}
}

// TestStrangers: a host that is not known, or shows another key than it should, is not spoken to; and what to do
// is said.
func TestStrangers(t *testing.T) {
	h := remotetest.Listen(t, remotetest.Library)
	good := h.Options
	other, otherPEM := remotetest.Key(t)
	dir := t.TempDir()
	known := filepath.Join(dir, "known_hosts")
	write(t, known, []byte(knownhosts.Line([]string{h.Options.Host}, other.PublicKey())+"\n"))
	identity := filepath.Join(dir, "id")
	write(t, identity, otherPEM)
	for _, c := range []struct {
		name   string
		change func(*sftp.Options)
		want   string
	}{
		{"no known hosts", func(o *sftp.Options) { o.KnownHosts = []string{filepath.Join(dir, "absent")} }, "not known yet"},
		{"another key of the host", func(o *sftp.Options) { o.KnownHosts = []string{known} }, "another key than"},
		{"another key of the user", func(o *sftp.Options) { o.Identities = []string{identity} }, "none of the keys"},
		{"no key", func(o *sftp.Options) { o.Identities = nil }, "there is no key"},
	} {
		h.Options = good
		c.change(&h.Options)
		err := h.Open(t).Put(t.Context(), "a", nil)
		if err == nil || !strings.Contains(err.Error(), c.want) || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestParse(t *testing.T) {
	for text, want := range map[string]sftp.Options{
		"sftp://me@host/srv/vault":       {Host: "host", User: "me", Path: "/srv/vault"},
		"sftp://host:2222/~/v/":          {Host: "host:2222", Path: "v"},
		"sftp://me@[::1]:22/a?key=/k/id": {Host: "[::1]:22", User: "me", Path: "/a", Identities: []string{"/k/id"}},
	} {
		got, err := sftp.Parse(text)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s is %+v, %v, want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "sftp://", "sftp://host", "sftp://host/", "sftp://host/~", "ssh://host/a", "sftp://me:secret@host/a", "sftp://host/a?colour=red",
		"sftp:///a", "sftp://host/a%00b", "sftp://host/../.."} {
		if got, err := sftp.Parse(text); err == nil {
			t.Errorf("%q is %+v", text, got)
		}
	}
}

// FuzzParse: an address that is understood names a host and a directory.
func FuzzParse(f *testing.F) {
	f.Add("sftp://me@host:22/srv/vault?key=/k")
	f.Fuzz(func(t *testing.T, text string) {
		o, err := sftp.Parse(text)
		if err == nil && (o.Host == "" || o.Path == "" || o.Path == "/" || strings.Contains(o.Path, "\x00")) {
			t.Errorf("%q is %+v", text, o)
		}
	})
}
