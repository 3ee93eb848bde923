// Package tree describes a folder at one moment: its entries with their metadata, and for each file the
// recipe that puts its bytes together again.
//
// It promises: the bytes of a description follow from the folder alone, not from how or in what batches it
// was built, so equal folders have equal digests; a change of one entry, or of one place in a file,
// rewrites O(1) pages a level; what is read is checked, and bytes that no writer of this format makes
// are refused with [ErrCorrupt], never a panic.
//
// # Bytes on disk
//
// uvarint is LEB128 of an unsigned number in its shortest form, at most 10 bytes; svarint is the same of
// a signed number x after zigzag (x<<1) ^ (x>>63). A longer form than needed is refused. str is a
// uvarint length and the bytes.
//
// A recipe:
//
//	class u8 · size uvarint · items to the end
//	item:  head uvarint = length<<2 | kind, then
//	       kind 0 chunk    digest, 32 bytes    1 ≤ length ≤ 16 MiB
//	       kind 1 literal  the bytes           1 ≤ length ≤ 4096
//	       kind 2 run      pattern, 24 bytes   24 ≤ length; the pattern is repeated from its start
//	       kind 3 hole     nothing             1 ≤ length; zeros that take no room
//
// The lengths add up to size, at most 2^60. A recipe of at most 576 bytes lies in its file's entry (inline),
// a longer one in recipe pages (paged).
//
// A page:
//
//	0xA7 · version 1 · kind u8 · level u8 · [class u8, recipe pages only] · rows to the end
//
//	kind 0 tree,   level 0: entries of one directory, their names strictly ascending by bytes
//	kind 0 tree,   level n: first name str · digest 32 · summary, one row for a page of level n-1
//	kind 1 recipe, level 0: items
//	kind 1 recipe, level n: digest 32 · bytes uvarint · items uvarint, one row for a page of level n-1
//
//	summary: files · dirs · links · specials · bytes · doubtful · depth, each uvarint
//
// An entry:
//
//	head u8    bits 0-2 type, as in disk.Type (0 regular … 6 block device; 7 is refused)
//	           bit 3 mode as in the row before; bit 4 uid and gid as in the row before
//	           bit 5 paged recipe; bit 6 SHA-256 stored; bit 7 an extras byte follows
//	extras u8  not zero: bit 0 flags, 1 link group, 2 attributes, 3 device number, 4 extended attributes
//	name       str
//	mode       uvarint, unless bit 3
//	uid, gid   uvarint each, unless bit 4
//	mtime      svarint whole seconds (floor) minus those of the row before · uvarint nanoseconds < 10^9
//	flags, link group, attributes, device number: uvarint each, not zero, where extras says so
//	xattrs     count uvarint, then name str · value str each, names strictly ascending
//	regular    inline: recipe str; paged: size uvarint · digest of the root recipe page, 32 bytes
//	           SHA-256, 32 bytes, if bit 6; never with an inline recipe of literals only
//	directory  digest of its root page, 32 bytes · summary
//	symlink    target str
//
// The row before the first of a page has mode, uid, gid and seconds 0.
//
// Pages are cut by content. A row is r bytes long and has a mark m of 64 bits; after it the page is p bytes,
// header included. The page ends before the row if it would be longer than 64 KiB with it and has a row
// already (the row is then encoded anew, as the first of its page). It ends after the row if p ≥ 16 KiB
// and m < r·2^50, or r ≥ 16 KiB. The mark is
//
//	entries, tree rows of level n    FNV-1a (64 bits) of the name, then murmur3's fmix64
//	chunks, recipe rows of level n   the first 8 bytes of the digest, little endian
//	literals                         FNV-1a of the bytes, then fmix64
//	runs and holes                   2^64-1
//
// Levels are added until one has a single page, the root. So the root has level 0 or at least two rows, and
// its digest is the digest of the directory or of the recipe. A directory with no entries is a page with no
// rows.
package tree

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"varve/internal/digest"
)

// Limits, in bytes unless said otherwise. They hold for what is written and for what is read.
const (
	MaxPage      = 16 << 20 // a page as read; pages as written reach 64 KiB, or one entry
	MaxName      = 765      // 255 UTF-16 units, the longest name of NTFS and HFS+, as UTF-8
	MaxTarget    = 64 << 10
	MaxXattrName = 255
	MaxXattr     = 64 << 10  // one value
	MaxXattrs    = 1 << 20   // names and values of one entry together
	MaxDepth     = 512       // directories below a root, one in the other
	MaxLiteral   = 4 << 10   // one literal item
	MaxChunk     = 16 << 20  // one chunk item
	MaxInline    = 512 + 64  // an encoded recipe in its entry
	MaxFile      = 1 << 60   // a file
	RunPattern   = 24        // the pattern of a run
	maxLevel     = 12        // levels of pages; a page of a level above 0 has dozens of rows
	maxBytes     = 1<<63 - 1 // any number of a summary
)

// ErrCorrupt says that bytes are not what this package writes, or that a page is not what the page
// above it says.
var ErrCorrupt = errors.New("not a canonical tree")

// ErrEntry says that an entry or a recipe cannot be kept as it is: a bad name, an order broken, a limit passed.
var ErrEntry = errors.New("entry refused")

// ErrBudget says that a Getter from [Budget] is spent.
var ErrBudget = errors.New("page budget spent")

// Putter stores a page and returns its digest. The page is the caller's again after the return.
type Putter func(page []byte) (digest.Digest, error)

// Getter returns the verified bytes under a digest. They must not change afterwards: entries and
// items refer to them.
type Getter func(ctx context.Context, d digest.Digest) ([]byte, error)

// Budget returns a Getter that gives at most pages pages and then ErrBudget. The work of every function
// here is proportional to the pages it gets, so this bounds it. It is for whoever reads trees by
// strangers: 40 small pages that each name the next one twice have 2^40 paths.
func Budget(get Getter, pages int64) Getter {
	var got atomic.Int64
	return func(ctx context.Context, d digest.Digest) ([]byte, error) {
		if got.Add(1) > pages {
			return nil, ErrBudget
		}
		return get(ctx, d)
	}
}

// ErrRepeats says that a tree is not gone through path by path, for it would hardly end.
var ErrRepeats = fmt.Errorf("%w: its folders are the same few over and over", ErrCorrupt)

// What makes a Getter of Unrepeated end, in bytes of pages and times. Folders that are equal are one page, and a page
// that names nothing but copies of another has 1400 rows: so those who copy a folder however often stay below.
const (
	repeatsFrom  = 16 << 20
	repeatsTimes = 2048
	pageWork     = 1 << 10 // what a page costs besides its bytes
)

// Unrepeated returns a Getter for whoever goes through all paths of a tree by strangers, and keeps something for
// each. It is ErrRepeats once it has given more than 16 MiB of pages, and more than 2048 times what there is of them.
func Unrepeated(get Getter) Getter {
	var mu sync.Mutex
	seen := map[uint64]bool{} // pages, by a part of the digest: a tree may have millions
	var given, there int
	var spent atomic.Bool
	return func(ctx context.Context, d digest.Digest) ([]byte, error) {
		if spent.Load() {
			return nil, ErrRepeats
		}
		b, err := get(ctx, d)
		if err != nil {
			return b, err
		}
		mu.Lock()
		defer mu.Unlock()
		work := len(b) + pageWork
		given += work
		if k := digestMark(&d); !seen[k] {
			seen[k] = true
			there += work
		}
		if given > repeatsFrom && given/repeatsTimes > there {
			spent.Store(true)
			return nil, ErrRepeats
		}
		return b, nil
	}
}

func corrupt(why string) error { return fmt.Errorf("%w: %s", ErrCorrupt, why) }

func refused(why string) error { return fmt.Errorf("%w: %s", ErrEntry, why) }
