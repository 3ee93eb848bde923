package remotetest

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	pkgsftp "github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"varve/store/sftp"
)

// OpenSSHServer is where Debian puts the server of OpenSSH.
const OpenSSHServer = "/usr/lib/openssh/sftp-server"

// Serve serves SFTP on one channel until it ends.
type Serve func(io.ReadWriteCloser) error

// Host is an SSH server on this machine that speaks nothing but SFTP.
type Host struct {
	Options sftp.Options // of a client that may log in; the path is missing
	address string
	config  *ssh.ServerConfig
	serve   Serve

	mu    sync.Mutex
	conns []net.Conn
}

// OpenSSH runs OpenSSH's server, with arguments, for each session.
func OpenSSH(t testing.TB, must bool, arguments ...string) Serve {
	t.Helper()
	if _, err := os.Stat(OpenSSHServer); err != nil {
		if must {
			t.Fatal(err)
		}
		t.Skipf("%v: not run against it", err)
	}
	return func(c io.ReadWriteCloser) error {
		cmd := exec.Command(OpenSSHServer, arguments...)
		cmd.Stdin, cmd.Stdout = c, c
		return cmd.Run()
	}
}

// Library serves with the library's own server.
func Library(c io.ReadWriteCloser) error {
	s, err := pkgsftp.NewServer(c)
	if err != nil {
		return err
	}
	return s.Serve()
}

// Listen starts a host whose sessions are served by serve.
func Listen(t testing.TB, serve Serve) *Host {
	t.Helper()
	hostKey, _ := Key(t)
	userKey, userPEM := Key(t)
	h := &Host{serve: serve, config: &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, k ssh.PublicKey) (*ssh.Permissions, error) {
		if string(k.Marshal()) != string(userKey.PublicKey().Marshal()) {
			return nil, errors.New("not this key")
		}
		return nil, nil
	}}}
	h.config.AddHostKey(hostKey)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h.address = l.Addr().String()
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			h.mu.Lock()
			h.conns = append(h.conns, c)
			h.mu.Unlock()
			all.Go(func() { h.talk(c) })
		}
	})
	t.Cleanup(func() { l.Close(); h.HangUp(); all.Wait() })
	dir := t.TempDir()
	identity, known := filepath.Join(dir, "id"), filepath.Join(dir, "known_hosts")
	write(t, identity, userPEM)
	write(t, known, []byte(knownhosts.Line([]string{h.address}, hostKey.PublicKey())+"\n"))
	h.Options = sftp.Options{Host: h.address, User: "anybody", Identities: []string{identity}, KnownHosts: []string{known}}
	return h
}

func write(t testing.TB, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// Key makes a key, and its file.
func Key(t testing.TB) (ssh.Signer, []byte) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	return signer, pem.EncodeToMemory(block)
}

// talk serves one connection.
func (h *Host) talk(c net.Conn) {
	defer c.Close()
	_, chans, requests, err := ssh.NewServerConn(c, h.config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	var all sync.WaitGroup
	defer all.Wait()
	for asked := range chans {
		if asked.ChannelType() != "session" {
			_ = asked.Reject(ssh.UnknownChannelType, "")
			continue
		}
		channel, requests, err := asked.Accept()
		if err != nil {
			return
		}
		all.Go(func() {
			for r := range requests {
				ok := r.Type == "subsystem"
				_ = r.Reply(ok, nil)
				if ok {
					all.Go(func() { _ = h.serve(channel); channel.Close() })
				}
			}
		})
	}
}

// HangUp cuts every connection.
func (h *Host) HangUp() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.conns {
		c.Close()
	}
	h.conns = nil
}

// Open returns a store in a directory that is not there yet.
func (h *Host) Open(t testing.TB) *sftp.Store {
	t.Helper()
	o := h.Options
	o.Path = filepath.ToSlash(filepath.Join(t.TempDir(), "made", "vault"))
	s := sftp.New(o)
	t.Cleanup(func() { s.Close() })
	return s
}
