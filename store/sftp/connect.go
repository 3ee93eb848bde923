package sftp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"golang.org/x/crypto/ssh/knownhosts"
	"golang.org/x/sync/errgroup"
)

const (
	dialTimeout = 30 * time.Second
	// A connection is asked for a sign of life every aliveEvery, and given up when none has come until the next.
	aliveEvery = 30 * time.Second
	// channels of a connection: each moves at most about 2 MiB in a round trip.
	channels = 4
	// packet is how much a request carries where the server says that it takes more than the usual 32 KiB.
	packet = 128 << 10
)

// client is one channel.
type client struct {
	*sftp.Client
	links bool // the server has hard links
}

// below reports whether a directory of the path is a file, so that nothing can be there. Servers give various
// errors for it.
func (c *client) below(file string) bool {
	for dir := path.Dir(file); dir != "." && dir != "/"; dir = path.Dir(dir) {
		if info, err := c.Lstat(dir); err == nil {
			return !info.IsDir()
		}
	}
	return false
}

// connection is an SSH connection with its channels.
type connection struct {
	ssh     *ssh.Client
	clients []*client
	next    atomic.Uint32
	ended   chan struct{}
	ending  sync.Once
}

func (n *connection) close() error {
	n.ending.Do(func() { close(n.ended) })
	for _, c := range n.clients {
		_ = c.Close() // the connection follows
	}
	return n.ssh.Close()
}

// do runs fn on a channel, and, if the connection was lost, once more on one of a new connection.
func (s *Store) do(ctx context.Context, fn func(*client) error) error {
	for try := 1; ; try++ {
		n, err := s.connected(ctx)
		if err != nil {
			return err
		}
		c := n.clients[int(n.next.Add(1))%len(n.clients)]
		if err = fn(c); err == nil || !lost(err) || try == 2 || ctx.Err() != nil {
			return err
		}
		s.drop(n)
	}
}

// lost reports whether an error is that of a connection rather than of a request.
func lost(err error) bool {
	var network net.Error
	return errors.Is(err, sftp.ErrSSHFxConnectionLost) || errors.Is(err, sftp.ErrSSHFxNoConnection) || errors.Is(err, io.EOF) ||
		errors.Is(err, io.ErrClosedPipe) || errors.Is(err, net.ErrClosed) || errors.As(err, &network)
}

// drop forgets a connection that was lost.
func (s *Store) drop(n *connection) {
	s.line.Lock()
	defer s.line.Unlock()
	if s.conn == n {
		s.conn = nil
	}
	_ = n.close() // it is lost
}

// connected returns the connection, made if there is none.
func (s *Store) connected(ctx context.Context) (*connection, error) {
	s.line.Lock()
	defer s.line.Unlock()
	if s.conn != nil {
		return s.conn, nil
	}
	n, err := s.opt.connect(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect to %s@%s: %w", s.opt.User, s.opt.Host, err)
	}
	s.conn = n
	return n, nil
}

func (o *Options) connect(ctx context.Context) (*connection, error) {
	config, release, err := o.config()
	if err != nil {
		return nil, err
	}
	defer release()
	dialer := net.Dialer{Timeout: dialTimeout}
	wire, err := dialer.DialContext(ctx, "tcp", o.address())
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { wire.Close() })
	c, chans, requests, err := ssh.NewClientConn(wire, o.address(), config)
	if err != nil {
		stop()
		wire.Close()
		return nil, o.explain(err)
	}
	n := &connection{ssh: ssh.NewClient(c, chans, requests), ended: make(chan struct{})}
	err = n.open()
	if !stop() {
		err = ctx.Err()
	}
	if err != nil {
		_ = n.close() // the first error is the one to tell
		return nil, err
	}
	go n.stayAlive()
	return n, nil
}

// open opens the channels: at least one, for servers may permit no more.
func (n *connection) open() error {
	opened := make([]*client, channels)
	var all errgroup.Group
	for i := range opened {
		all.Go(func() error {
			c, err := sftp.NewClient(n.ssh, sftp.UseConcurrentWrites(true), sftp.UseConcurrentReads(true))
			if err != nil {
				return err
			}
			opened[i] = &client{Client: c}
			_, opened[i].links = c.HasExtension("hardlink@openssh.com")
			if _, limits := c.HasExtension("limits@openssh.com"); limits {
				return sftp.MaxPacketUnchecked(packet)(c)
			}
			return nil
		})
	}
	err := all.Wait()
	n.clients = slices.DeleteFunc(opened, func(c *client) bool { return c == nil })
	if len(n.clients) > 0 {
		return nil
	}
	return fmt.Errorf("the server has no SFTP: %w", err)
}

// stayAlive closes a connection that gives no sign of life, so that the calls on it end.
func (n *connection) stayAlive() {
	tick := time.NewTicker(aliveEvery)
	defer tick.Stop()
	var waiting atomic.Bool
	for {
		select {
		case <-n.ended:
			return
		case <-tick.C:
		}
		if waiting.Swap(true) {
			n.ssh.Close()
			return
		}
		go func() {
			_, _, _ = n.ssh.SendRequest("keepalive@openssh.com", true, nil) // any answer will do
			waiting.Store(false)
		}()
	}
}

// config returns how to log in, and what lets go of the agent.
func (o *Options) config() (*ssh.ClientConfig, func(), error) {
	release := func() {}
	var files []string
	for _, f := range o.KnownHosts {
		if _, err := os.Stat(f); err == nil {
			files = append(files, f)
		}
	}
	check, err := knownhosts.New(files...)
	if err != nil {
		return nil, release, fmt.Errorf("known hosts: %w", err)
	}
	var signers []ssh.Signer
	var locked []string
	for _, f := range o.Identities {
		pem, err := os.ReadFile(f)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, release, fmt.Errorf("key: %w", err)
		}
		signer, err := ssh.ParsePrivateKey(pem)
		var protected *ssh.PassphraseMissingError
		if errors.As(err, &protected) {
			locked = append(locked, f)
			continue
		}
		if err != nil {
			return nil, release, fmt.Errorf("key %s: %w", f, err)
		}
		signers = append(signers, signer)
	}
	var held agent.ExtendedAgent
	if o.Agent != "" {
		if wire, err := net.Dial("unix", o.Agent); err == nil { // an agent that is gone has no keys
			held, release = agent.NewClient(wire), func() { wire.Close() }
		}
	}
	if held == nil && len(signers) == 0 {
		if len(locked) > 0 {
			return nil, release, fmt.Errorf("the key %s has a passphrase: load it with ssh-add", locked[0])
		}
		return nil, release, errors.New("there is no key: start an agent (ssh-add), or name one with ?key=FILE")
	}
	keys := func() ([]ssh.Signer, error) {
		all := signers
		if held != nil {
			more, err := held.Signers()
			if err != nil {
				return nil, fmt.Errorf("ask the agent: %w", err)
			}
			all = append(slices.Clone(signers), more...)
		}
		return all, nil
	}
	return &ssh.ClientConfig{User: o.User, Auth: []ssh.AuthMethod{ssh.PublicKeysCallback(keys)}, HostKeyCallback: check,
		HostKeyAlgorithms: o.algorithms(check), Timeout: dialTimeout}, release, nil
}

// algorithms returns those of the keys that the host is known by, so that it shows one of them; nil, which is all,
// if it is not known.
func (o *Options) algorithms(check ssh.HostKeyCallback) []string {
	var unknown *knownhosts.KeyError
	if err := check(o.address(), &net.TCPAddr{}, noKey{}); !errors.As(err, &unknown) {
		return nil
	}
	var out []string
	for _, k := range unknown.Want {
		switch t := k.Key.Type(); t {
		case ssh.KeyAlgoRSA:
			out = append(out, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256)
		default:
			out = append(out, t)
		}
	}
	return out
}

// noKey is a key that no host has.
type noKey struct{}

func (noKey) Type() string                        { return "none" }
func (noKey) Marshal() []byte                     { return []byte("none") }
func (noKey) Verify([]byte, *ssh.Signature) error { return errors.New("no key") }

// explain says what to do about a login that failed.
func (o *Options) explain(err error) error {
	var unknown *knownhosts.KeyError
	host, port, _ := net.SplitHostPort(o.address())
	switch {
	case errors.As(err, &unknown) && len(unknown.Want) == 0:
		return fmt.Errorf("the host is not known yet: log in once with ssh -p %s %s@%s, and compare the key it shows (%w)", port, o.User, host, err)
	case errors.As(err, &unknown):
		return fmt.Errorf("the host shows another key than %s:%d has: somebody may be in between; if its key was changed, "+
			"ssh-keygen -R and log in once with ssh (%w)", unknown.Want[0].Filename, unknown.Want[0].Line, err)
	case strings.Contains(err.Error(), "unable to authenticate"):
		return fmt.Errorf("the server takes none of the keys: %w (%w)", err, fs.ErrPermission)
	}
	return err
}
