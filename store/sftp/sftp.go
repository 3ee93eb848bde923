// Package sftp keeps a vault's objects in a directory of a machine that is reached by SSH.
//
// It promises what package store does, as far as the server lets it. An object is written to a temporary file in
// its directory, synced (fsync@openssh.com), looked at, and published by a hard link, which never replaces
// (hardlink@openssh.com); where the server has no hard links, by a rename, which OpenSSH's server refuses if the
// target is there. store.Probe finds out what a server does. Barrier syncs the directories touched, which
// OpenSSH's server can; Describe says Durable only as long as it did.
//
// The key of the host must be known, from a known_hosts file; there is no way around it. Requests go over several
// channels of one connection. A connection that is lost is made once more by each call it hits. When it is not
// known what became of an object, and it is found to be there, it is read: if it holds what was to be put, it was
// put.
//
// On the server an object is one regular file whose path below the root is the object's name and whose content
// is the object's bytes, nothing added, as in a store.Folder:
//
//	root/packs/3f/9a51…            object "packs/3f/9a51…"
//	root/packs/3f/tmp-<32 hex>     being written, or left by a crash: not an object
package sftp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"path"
	"strings"
	"sync"

	"varve/store"
)

// Options say where the directory is and who asks.
type Options struct {
	Host string // HOST or HOST:PORT
	User string
	Path string // of the directory; relative to the user's home if it does not start with a slash

	Agent      string   // the socket of an agent that has keys; "" for none
	Identities []string // files of private keys; those that are not there are passed over
	KnownHosts []string // files that say which key a host has; those that are not there are passed over

	// Rand draws the names of temporary files; nil: crypto/rand.
	Rand io.Reader
}

// Parse reads sftp://[USER@]HOST[:PORT]/PATH[?key=FILE]. A path that starts with /~/ is relative to the user's
// home. key is the only one of Identities; without it there are none.
func Parse(text string) (Options, error) {
	u, err := url.Parse(text)
	if err != nil {
		return Options{}, err
	}
	if u.Scheme != "sftp" {
		return Options{}, fmt.Errorf("scheme %q is not sftp", u.Scheme)
	}
	o := Options{Host: u.Host, User: u.User.Username()}
	if _, has := u.User.Password(); has {
		return o, errors.New("a password has no place in an address, which is shown and kept: use a key")
	}
	if u.Hostname() == "" {
		return o, errors.New("want sftp://USER@HOST/PATH")
	}
	o.Path = path.Clean(u.Path)
	if home, relative := strings.CutPrefix(o.Path, "/~/"); relative {
		o.Path = home
	}
	if u.Path == "" || o.Path == "/" || o.Path == "/~" {
		return o, errors.New("want a directory: sftp://USER@HOST/PATH")
	}
	if strings.ContainsRune(o.Path, 0) {
		return o, errors.New("the path has a zero byte")
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return o, err
	}
	for name, values := range query {
		if name != "key" {
			return o, fmt.Errorf("unknown parameter %q: there is key", name)
		}
		o.Identities = values
	}
	return o, nil
}

// address returns the host with its port.
func (o *Options) address() string {
	if _, _, err := net.SplitHostPort(o.Host); err == nil {
		return o.Host
	}
	return net.JoinHostPort(strings.Trim(o.Host, "[]"), "22")
}

// Store is a directory of another machine. It is safe for concurrent use.
type Store struct {
	opt  Options
	root string

	line sync.Mutex // while a connection is made
	conn *connection

	turn chan struct{} // held by the one Barrier that is syncing

	mu        sync.Mutex
	dirty     map[string]struct{} // directories with entries that are not durable yet
	anchored  map[string]struct{} // directories whose own entries were noted for a barrier
	synced    bool                // a directory was synced once: the server can
	undurable bool                // it cannot, or cannot sync files
	broken    error               // the failed sync that ended this Store
}

// New returns the store that o describes, and sends nothing.
func New(o Options) *Store {
	return &Store{opt: o, root: o.Path, turn: make(chan struct{}, 1), dirty: map[string]struct{}{}, anchored: map[string]struct{}{}}
}

// Close ends the connection. No other method may be running or called later.
func (s *Store) Close() error {
	s.line.Lock()
	defer s.line.Unlock()
	if s.conn == nil {
		return nil
	}
	err := s.conn.close()
	s.conn = nil
	return err
}

// Describe implements store.Described.
func (s *Store) Describe() store.Traits {
	s.mu.Lock()
	defer s.mu.Unlock()
	return store.Traits{CreateIfAbsent: true, ListsAtOnce: true, Deletes: true, Durable: !s.undurable}
}

// at returns the path of an object or a directory of objects.
func (s *Store) at(name string) string { return path.Join(s.root, name) }

// ready refuses a bad name and a context that is done.
func ready(ctx context.Context, name string) error {
	if err := store.CheckName(name); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// Delete implements store.Store.
func (s *Store) Delete(ctx context.Context, name string) error {
	if err := ready(ctx, name); err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	if err := s.remove(ctx, s.at(name)); err != nil {
		return fmt.Errorf("delete %s: %w", name, err)
	}
	return nil
}

// remove removes a file; that there is none is no error.
func (s *Store) remove(ctx context.Context, file string) error {
	return s.do(ctx, func(c *client) error {
		err := c.Remove(file)
		if err == nil {
			s.mark(path.Dir(file))
			return nil
		}
		info, look := c.Lstat(file)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(look, fs.ErrNotExist) || look == nil && info.IsDir() || look != nil && c.below(file) {
			return nil
		}
		return err
	})
}

// mark notes directories for the next Barrier.
func (s *Store) mark(directories ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range directories {
		s.dirty[d] = struct{}{}
	}
}
