// Package capture takes a snapshot: it walks the project, reads what changed, and stores it.
//
// It promises: a file that could not be read is reported and left out, and everything else is kept; a file
// that changed while it was read is read again, and marked unstable if it never held still; an error of the
// vault ends the snapshot, never becomes a warning; nothing of it can be seen before it is whole.
package capture

import (
	"context"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"varve/internal/chunk"
	"varve/internal/diff"
	"varve/internal/digest"
	"varve/internal/disk"
	"varve/internal/history"
	"varve/internal/object"
	"varve/internal/scan"
	"varve/internal/scan/ignore"
	"varve/internal/seal"
	"varve/internal/tree"
)

// Progress counts what a snapshot has done so far.
type Progress struct {
	Files, Bytes   int64 // looked at
	Read, ReadSize int64 // files read, and their bytes
	Errors         int64
}

// Options say what to capture. Root, Workers, Now and Sleep must be set.
type Options struct {
	Root   disk.Dir
	Parent *history.Snapshot // the last snapshot; nil for the first
	Cache  *scan.Cache       // may be nil
	Whole  bool              // the vault has every pack that it had when Cache was made
	Rules  [][]*ignore.Rule
	Files  []string // names of ignore files
	Skip   func(disk.Info) bool
	// Scratch is a folder on the project's file system, for clones of files that may be changing; it may be nil.
	Scratch disk.Dir
	// Regions returns the typed regions of a file and other parts to be cut for themselves, ascending, by its
	// name and content; nil where it knows none. It advises: what it returns changes how a file is cut and
	// compressed, never what is kept. It may be nil and is called from several goroutines.
	Regions func(name string, r io.ReaderAt, size int64) []Region
	// Half returns why a file seems to be half saved or damaged; nil where it does not, or where nothing is known. It
	// advises: such a file is read again after a pause if it is young, and kept with a mark. It may be nil and is called
	// from several goroutines, for files that changed, and new ones that are not older than HalfAge.
	Half     func(name string, r io.ReaderAt, size int64) error
	SHA256   bool
	Workers  int
	Level    seal.Level
	Now      func() time.Time
	Sleep    func(context.Context, time.Duration) error
	Progress func(Progress) // may be nil; called from several goroutines
	// Beat shows others that the session goes on; it is called for each folder, from several goroutines. May be nil.
	Beat func(context.Context) error
	// Granularity is how far apart two changes of a file must be for its times to differ.
	Granularity time.Duration
}

// Result is what a capture has stored. It is not committed.
type Result struct {
	Root    digest.Digest
	Summary tree.Summary
	Counts  history.Counts
	Changes []string // digests of the pages of the change list
	List    []history.Change
	Errors  []history.Failure
	Skipped history.Skipped
	Cache   func(scan.CacheKey, [][16]byte) []byte // makes the new stat cache; nil if the old one is still right
}

// capture is one run.
type capture struct {
	opt     Options
	ctx     context.Context
	db      *object.DB
	draft   *object.Draft // nil for a snapshot
	table   *chunk.Table
	workers []*worker
	// reuse allows whole folders to be taken over from the parent unread: no pack that holds them is
	// missing or condemned.
	reuse bool

	files, bytes, read, readSize, nerrors, unchanged atomic.Int64

	waited     atomic.Int64 // ns, for files that seem half saved
	clones     atomic.Int64
	unclonable atomic.Bool // the file system does not share blocks

	mu      sync.Mutex
	cache   *scan.CacheWriter
	errs    []history.Failure
	skipped history.Skipped
	links   map[inode]*tree.Entry // content of files with several names
	root    digest.Digest
	sum     tree.Summary
	rootOff uint64
	taken   bool // the whole project is as the old cache has it

	buffers chan []byte // of large files; bounds memory
}

type inode struct{ device, number uint64 }

// worker is the state of one goroutine of the walk.
type worker struct {
	c       *capture
	w       *object.Writer
	r       *object.Reader
	get     tree.Getter
	gone    tree.Getter // get, for going through what is gone
	cut     *chunk.Cutter
	sha     hash.Hash
	recipe  *tree.RecipeWriter
	run     tree.Item // that may go on
	build   *tree.Builder
	window  *seal.Window
	buf     []byte
	second  []byte
	base    []byte // of a difference
	pieces  []chunk.Piece
	changes []change
}

// change is a difference to the parent, with what is needed to find renames.
type change struct {
	history.Change
	key contentKey
}

// contentKey tells whether two files have the same content without reading them.
type contentKey struct {
	digest digest.Digest
	size   int64
}

// Run captures the project into session s.
func Run(ctx context.Context, db *object.DB, s *object.Session, opt Options) (*Result, error) {
	return run(ctx, db, opt, func() *object.Writer { return s.Writer(opt.Level) }, nil)
}

// Draft describes the project as it is now without keeping anything: the pages that the vault does not
// have are in d. It costs what a snapshot costs to read.
func Draft(ctx context.Context, db *object.DB, d *object.Draft, opt Options) (*Result, error) {
	if err := db.Refresh(ctx); err != nil {
		return nil, err
	}
	return run(ctx, db, opt, d.Writer, d)
}

func run(ctx context.Context, db *object.DB, opt Options, writer func() *object.Writer, draft *object.Draft) (*Result, error) {
	c := &capture{opt: opt, ctx: ctx, db: db, draft: draft, table: chunk.NewTable(db.Keys().Gear), reuse: db.Whole() && opt.Whole,
		cache: scan.NewCacheWriter(), links: map[inode]*tree.Entry{}, buffers: make(chan []byte, largeBuffers)}
	if opt.Parent == nil {
		c.opt.Cache, opt.Cache = nil, nil
	}
	for range opt.Workers {
		c.workers = append(c.workers, c.newWorker(writer()))
	}
	err := scan.Walk(ctx, opt.Root, scan.Options{Workers: opt.Workers, Cache: opt.Cache, Rules: opt.Rules, Files: opt.Files, Skip: opt.Skip, Enter: c.enter, Leave: c.leave})
	if err != nil {
		return nil, err
	}
	res := &Result{Root: c.root, Summary: c.sum, Skipped: c.skipped, Errors: c.failures()}
	if err := c.finish(res); err != nil {
		return nil, err
	}
	if !c.taken {
		res.Cache = func(k scan.CacheKey, packs [][16]byte) []byte { return c.cache.Seal(k, c.rootOff, packs) }
	}
	return res, nil
}

func (c *capture) newWorker(w *object.Writer) *worker {
	k := &worker{c: c, w: w, r: c.db.NewReader(), cut: c.table.Cutter(chunk.Medium, nil), sha: sha256.New(), window: new(seal.Window)}
	k.get = func(ctx context.Context, d digest.Digest) ([]byte, error) { return k.r.Get(ctx, d, nil) }
	if c.draft != nil {
		k.get = func(ctx context.Context, d digest.Digest) ([]byte, error) { return c.draft.Get(ctx, k.r, d) }
	}
	put := func(st object.Stream) tree.Putter {
		return func(page []byte) (digest.Digest, error) { return k.w.Put(c.ctx, st, page) }
	}
	k.recipe = tree.NewRecipeWriter(put(object.Recipes))
	k.build = tree.NewBuilder(put(object.Pages))
	return k
}

// finish flushes the workers and stores the change list.
func (c *capture) finish(res *Result) error {
	var all []change
	for _, k := range c.workers {
		all = append(all, k.changes...)
	}
	if c.opt.Parent != nil {
		res.List, res.Counts = settle(all)
		k := c.workers[0]
		var err error
		put := func(page []byte) (digest.Digest, error) { return k.w.Put(c.ctx, object.Recipes, page) }
		if res.Changes, err = history.PutChanges(put, res.List); err != nil {
			return err
		}
	}
	if c.opt.Parent == nil {
		res.Counts.Added = int64(c.sum.Files + c.sum.Links + c.sum.Specials)
	} else {
		n := res.Counts
		res.Counts.Unchanged = int64(c.sum.Files+c.sum.Links+c.sum.Specials) - n.Added - n.Modified - n.Renamed
	}
	for _, k := range c.workers {
		if err := k.w.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// settle sorts the changes and joins a removal and an addition of the same content to a rename.
func settle(all []change) ([]history.Change, history.Counts) {
	slices.SortFunc(all, func(a, b change) int { return strings.Compare(a.Path, b.Path) })
	items := make([]diff.Item, len(all))
	for i := range all {
		items[i] = diff.Item{Kind: all[i].Kind, Path: all[i].Path, Key: diff.Key{Digest: all[i].key.digest, Size: all[i].key.size}}
	}
	partner := diff.Renames(items)
	var out []history.Change
	var n history.Counts
	for i := range all {
		if j := partner[i]; j >= 0 {
			if all[i].Kind == history.Removed {
				continue // listed where it went
			}
			all[i].Kind, all[i].Old = history.Renamed, all[j].Path
		}
		switch all[i].Kind {
		case history.Added:
			n.Added++
		case history.Removed:
			n.Removed++
		case history.Renamed:
			n.Renamed++
		case history.Modified:
			n.Modified++
		}
		out = append(out, all[i].Change)
	}
	return out, n
}

// fail notes a source that could not be kept.
func (c *capture) fail(path string, err error) {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	c.nerrors.Add(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.errs = append(c.errs, history.Failure{Path: path, Error: err.Error()})
}

func (c *capture) failures() []history.Failure {
	slices.SortFunc(c.errs, func(a, b history.Failure) int { return strings.Compare(a.Path, b.Path) })
	return c.errs
}

func (c *capture) tell() {
	if c.opt.Progress != nil {
		c.opt.Progress(Progress{Files: c.files.Load(), Bytes: c.bytes.Load(), Read: c.read.Load(), ReadSize: c.readSize.Load(), Errors: c.nerrors.Load()})
	}
}

// streamOf sorts files into streams of blocks: what is alike compresses better together.
func streamOf(name string) object.Stream {
	ext := strings.ToLower(path.Ext(name))
	if dense()[ext] {
		return object.Dense
	}
	h := uint32(2166136261)
	for i := range len(ext) {
		h = (h ^ uint32(ext[i])) * 16777619
	}
	return object.Content + object.Stream(h>>13)%object.ContentKinds
}

var denseOnce = sync.OnceValue(func() map[string]bool {
	m := map[string]bool{}
	for _, e := range strings.Fields(".png .jpg .jpeg .webp .avif .heic .gif .ogg .oga .opus .mp3 .m4a .aac .flac .mp4 .m4v .mov .mkv .webm .avi .zip .gz .tgz .xz .bz2 .zst .7z .rar .jar .apk .kra .ora .woff .woff2 .docx .xlsx .pptx .odt .pdf .br .lz4 .pxo .usdz .unitypackage .stx .ktx2") {
		m[e] = true
	}
	return m
})

func dense() map[string]bool { return denseOnce() }
