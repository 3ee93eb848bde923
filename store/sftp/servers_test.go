package sftp_test

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

// openssh is where Debian puts the server of OpenSSH.
const openssh = "/usr/lib/openssh/sftp-server"

// host is an SSH server on this machine that speaks nothing but SFTP.
type host struct {
	address string
	config  *ssh.ServerConfig
	serve   func(io.ReadWriteCloser) error
	options sftp.Options // of a client that may log in

	mu    sync.Mutex
	conns []net.Conn
}

// real runs OpenSSH's server, with arguments, for each session.
func real(t testing.TB, arguments ...string) func(io.ReadWriteCloser) error {
	t.Helper()
	if _, err := os.Stat(openssh); err != nil {
		if os.Getenv("VARVE_CI") != "" {
			t.Fatal(err)
		}
		t.Skipf("%v: not run against it", err)
	}
	return func(c io.ReadWriteCloser) error {
		cmd := exec.Command(openssh, arguments...)
		cmd.Stdin, cmd.Stdout = c, c
		return cmd.Run()
	}
}

// library serves with the library's own server.
func library(c io.ReadWriteCloser) error {
	s, err := pkgsftp.NewServer(c)
	if err != nil {
		return err
	}
	return s.Serve()
}

// listen starts a host whose sessions are served by serve.
func listen(t testing.TB, serve func(io.ReadWriteCloser) error) *host {
	t.Helper()
	hostKey, _ := key(t)
	userKey, userPEM := key(t)
	h := &host{serve: serve, config: &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, k ssh.PublicKey) (*ssh.Permissions, error) {
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
	t.Cleanup(func() { l.Close(); h.hangUp(); all.Wait() })
	dir := t.TempDir()
	identity, known := filepath.Join(dir, "id"), filepath.Join(dir, "known_hosts")
	write(t, identity, userPEM)
	write(t, known, []byte(knownhosts.Line([]string{h.address}, hostKey.PublicKey())+"\n"))
	h.options = sftp.Options{Host: h.address, User: "anybody", Identities: []string{identity}, KnownHosts: []string{known}}
	return h
}

func write(t testing.TB, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// key makes a key, and its file.
func key(t testing.TB) (ssh.Signer, []byte) {
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
func (h *host) talk(c net.Conn) {
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

// hangUp cuts every connection.
func (h *host) hangUp() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.conns {
		c.Close()
	}
	h.conns = nil
}

// open returns a store in a directory that is not there yet.
func (h *host) open(t testing.TB) *sftp.Store {
	t.Helper()
	o := h.options
	o.Path = filepath.ToSlash(filepath.Join(t.TempDir(), "made", "vault"))
	s := sftp.New(o)
	t.Cleanup(func() { s.Close() })
	return s
}
