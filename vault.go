package varve

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime"
	"strings"
	"sync"
	"time"

	"varve/format"
	"varve/internal/catalog"
	"varve/internal/disk"
	"varve/internal/history"
	"varve/internal/ledger"
	"varve/internal/object"
	"varve/internal/restore"
	"varve/internal/seal"
	"varve/internal/tree"
	"varve/store"
)

// Errors to be told apart with errors.Is.
var (
	ErrNoVault  = object.ErrNoVault
	ErrNewer    = object.ErrNewer
	ErrDamaged  = object.ErrDamaged
	ErrMissing  = object.ErrMissing
	ErrCorrupt  = tree.ErrCorrupt // what is sealed as it should be makes no sense: a defect, or malice, of who wrote it
	ErrFenced   = object.ErrFenced
	ErrBusy     = object.ErrBusy
	ErrWrongKey = errWrongKey
	ErrNoSpace  = restore.ErrNoSpace  // the target of a restore has too little room; nothing was changed
	ErrConflict = restore.ErrConflict // the target of a restore cannot take it as it is; nothing was changed
)

type (
	// Snapshot is one kept state of a project.
	Snapshot = history.Snapshot
	// Milestone is a name for a snapshot.
	Milestone = history.Milestone
	// Failure is a source that could not be kept.
	Failure = history.Failure
	// Change is what a snapshot did to one path.
	Change = history.Change
	// UnknownError says that a reference names nothing.
	UnknownError = history.UnknownError
	// AmbiguousError says that a reference names several snapshots.
	AmbiguousError = history.AmbiguousError
	// ID names a snapshot.
	ID = object.SID
)

// Options are what a vault needs from outside. The zero value works: the system's clock and random
// numbers, no cache, no passphrase.
type Options struct {
	Now  func() time.Time // nil: time.Now
	Rand io.Reader        // nil: crypto/rand; safe for concurrent use
	// Sleep pauses between two readings of a file that changes. nil: a timer.
	Sleep func(context.Context, time.Duration) error
	// Passphrase is asked for when every key of the vault needs one; the text of a recovery key is as good.
	Passphrase func() ([]byte, error)
	// Recall returns what KeyToken returned of the vault with an id, or nil; it is asked before Passphrase.
	Recall func(vault string) []byte
	// NewPassphrase is asked for when a vault is made; nil: its key is kept beside the data. KDF is what trying
	// a new passphrase costs; zero for 3 passes over 256 MiB in 4 lanes.
	NewPassphrase func() ([]byte, error)
	KDF           KDF
	// Warn is told of what is odd but did not stop the work.
	Warn func(name string, err error)
	// Progress is told what goes on, from several goroutines.
	Progress func(Event)
	// Formats are the kinds of file that are known; nil for none. They advise on how files are stored: a vault
	// written with others, or none, is as good to read.
	Formats format.Set
	// Cache is where what makes the next run quick is kept; nil for nowhere. It may be lost at any time.
	Cache disk.Dir
	// State is where this machine remembers which snapshots a vault has had, so that a vault which loses some is
	// noticed; nil for nowhere. It is not to be lost, and is no part of the vault.
	State disk.Dir
	// Place says where the vault is. A copy elsewhere may have seen less, so it is remembered apart.
	Place string
	// Workers is the number of goroutines that read and compress; 0 for one a core, and for more where they
	// wait for a network.
	Workers int
	// Host, User, PID and Boot say who writes, in sessions and snapshots.
	Host, User, Boot string
	PID              int
	// Alive reports whether a process of this machine runs; nil: it may. It spares collections waiting for the dead.
	Alive func(pid int) bool
	// NoSHA256 makes new vaults that keep no whole-file SHA-256.
	NoSHA256 bool
	// Parity is the number of columns of parity that the data packs of new vaults get, at most 16: each costs 0.8 % and
	// lets a pack lose as much.
	Parity int
}

// distantReaders is how many goroutines read from a vault that is reached over a network: they wait more than they
// work.
const distantReaders = 16

func (o Options) filled() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	if o.Sleep == nil {
		o.Sleep = sleep
	}
	if o.KDF == (KDF{}) {
		o.KDF = seal.DefaultParams()
	}
	if o.Host == "" {
		o.Host = "unknown"
	}
	return o
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Event is one message of progress: the same for the bar, for JSON lines and for the page's stream.
type Event struct {
	Verb  string // "snap", "restore", "verify", "repair", "copy"
	Files int64  // done
	Bytes int64  // done: looked at, written or checked
	Read  int64  // bytes read, of those
	// TotalFiles and TotalBytes are what is to be done; 0 where that is not known.
	TotalFiles, TotalBytes int64
	Stored                 int64 // bytes that the vault has gained
	Errors                 int64
}

// Vault is where history is kept. It is safe for concurrent use.
type Vault struct {
	db      *object.DB
	history *history.History
	opt     Options
	readers int        // goroutines of work that reads from the vault
	root    *disk.Info // the vault's folder, if it is one

	catalogLock sync.Mutex
	catalog     *catalog.Catalog
}

// Folder returns a store in a directory of this machine, which must exist.
func Folder(path string) (store.Store, error) {
	d, err := disk.Open(path)
	if err != nil {
		return nil, err
	}
	return store.NewFolder(d), nil
}

// Create makes a vault in an empty store and opens it.
func Create(ctx context.Context, s store.Store, opt Options) (*Vault, error) {
	opt = opt.filled()
	o := opt.object()
	o.Parity = opt.Parity
	if opt.NewPassphrase != nil {
		p, err := opt.NewPassphrase()
		if err != nil {
			return nil, err
		}
		if len(p) == 0 {
			return nil, errors.New("make a vault: empty passphrase")
		}
		o.Passphrase = p
	}
	db, err := object.Create(ctx, s, !opt.NoSHA256, o)
	if err != nil {
		return nil, err
	}
	return newVault(ctx, db, opt)
}

// Open opens the vault in a store.
func Open(ctx context.Context, s store.Store, opt Options) (*Vault, error) {
	opt = opt.filled()
	db, err := object.Open(ctx, s, opt.Passphrase, opt.object())
	if err != nil {
		return nil, err
	}
	return newVault(ctx, db, opt)
}

func (o *Options) object() object.Options {
	var recall func([16]byte) []byte
	if o.Recall != nil {
		recall = func(vault [16]byte) []byte { return o.Recall(hex.EncodeToString(vault[:])) }
	}
	return object.Options{Rand: o.Rand, Now: o.Now, KDF: o.KDF, Recall: recall, Alive: o.Alive, Warn: func(w object.Warning) {
		if o.Warn != nil {
			o.Warn(w.Name, w.Err)
		}
	}}
}

func newVault(ctx context.Context, db *object.DB, opt Options) (*Vault, error) {
	var writer [8]byte
	if _, err := io.ReadFull(opt.Rand, writer[:]); err != nil {
		return nil, err
	}
	asked := opt.Workers
	if asked < 1 {
		opt.Workers = max(2, runtime.GOMAXPROCS(0))
	}
	v := &Vault{db: db, opt: opt, readers: opt.Workers, catalog: catalog.New(db), history: history.New(db, ledger.New(db, hex.EncodeToString(writer[:])))}
	if asked < 1 && store.Distant(db.Store()) {
		v.readers = max(opt.Workers, distantReaders)
	}
	if err := v.history.Refresh(ctx); err != nil {
		return nil, err
	}
	if opt.Warn != nil {
		for name, err := range v.history.Ledger.Damaged() {
			opt.Warn(name, err)
		}
		for id, err := range v.history.Damaged() {
			opt.Warn(object.SlotName(id), err)
		}
	}
	return v, nil
}

// ID returns the vault's id: 32 hex digits.
func (v *Vault) ID() string { id := v.db.Vault(); return hex.EncodeToString(id[:]) }

// OpenOrCreate opens the vault in the folder path, and makes both where they are absent.
func OpenOrCreate(ctx context.Context, path string, opt Options) (v *Vault, made bool, err error) {
	d, err := disk.Create(path)
	if err != nil {
		return nil, false, fmt.Errorf("vault %s: %w", path, err)
	}
	return OpenDir(ctx, d, true, opt)
}

// OpenPath opens the vault in the folder path.
func OpenPath(ctx context.Context, path string, opt Options) (*Vault, error) {
	d, err := disk.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", path, ErrNoVault)
	}
	if err != nil {
		return nil, fmt.Errorf("vault %s: %w", path, err)
	}
	v, _, err := OpenDir(ctx, d, false, opt)
	return v, err
}

// OpenDir opens the vault in a folder of any disk, or makes it if create allows and there is none.
func OpenDir(ctx context.Context, d disk.Dir, create bool, opt Options) (v *Vault, made bool, err error) {
	info, err := d.Stat(".")
	if err != nil {
		return nil, false, err
	}
	v, made, err = OpenStore(ctx, store.NewFolder(d), create, opt)
	if err != nil {
		return nil, false, err
	}
	v.root = &info
	return v, made, nil
}

// OpenStore opens the vault in a store, or makes it if create allows and there is none.
func OpenStore(ctx context.Context, s store.Store, create bool, opt Options) (v *Vault, made bool, err error) {
	v, err = Open(ctx, s, opt)
	if errors.Is(err, ErrNoVault) && create {
		if err = empty(ctx, s); err == nil {
			v, err = Create(ctx, s, opt)
			made = err == nil
		}
		if errors.Is(err, fs.ErrExist) || errors.Is(err, ErrDamaged) {
			// Another process may have been quicker.
			if there, oerr := Open(ctx, s, opt); !errors.Is(oerr, ErrNoVault) {
				v, err = there, oerr
			}
		}
	}
	if err != nil {
		return nil, false, err
	}
	return v, made, nil
}

// ErrNotEmpty says that a vault was to be made where something else is.
var ErrNotEmpty = errors.New("it is not empty, and what is in it is not of a vault")

// empty refuses to make a vault where objects of another lie: its config may be what was lost; and among other things.
// A key and the store's probes are what a vault leaves whose making was cut short.
func empty(ctx context.Context, s store.Store) error {
	for o, err := range s.List(ctx, "") {
		if err != nil {
			return err
		}
		switch first, _, below := strings.Cut(o.Name, "/"); {
		case !below || !object.Room(first):
			return fmt.Errorf("make a vault: there is %s: %w", o.Name, ErrNotEmpty)
		case first != "keys" && first != "probe":
			return fmt.Errorf("there are objects of a vault (%s) but no config: %w", o.Name, ErrDamaged)
		}
	}
	return nil
}
