package disk

import (
	"io/fs"
	"strings"
	"sync"
	"syscall"
)

// MemoryOptions says which file system a [Memory] imitates. The zero value is a case-sensitive one with
// links, extended attributes and no limit.
type MemoryOptions struct {
	Quota        int64        // bytes of content, counted in blocks of 4 KiB; beyond it ENOSPC; 0: no limit
	FoldCase     bool         // names differing only in case are one name; the case given at creation is kept
	Normalize    bool         // composed and decomposed Latin letters (é as one rune or two) are one name
	WindowsNames bool         // refuses reserved names, <>:"|?*\ and trailing dots and spaces; keeps Attrs
	NoXattrs     bool         // SetXattr is errors.ErrUnsupported
	NoHardLinks  bool         // Link is EPERM, as on FAT
	NoNoReplace  bool         // Publish is a Link and a Remove: after power loss both names may be there
	Now          func() int64 // clock, ns since 1970, called with the lock held; default: 1 µs later each time it is read
	Granularity  int64        // times are rounded down to multiples of it, in ns; 0: not
}

// Memory is a file system in memory that can lose power. It keeps apart what was synced and what was only
// written, the way a journaling file system with the least promises does:
//
//   - [File.Sync] makes content, size, mode, times and attributes of the inode durable, not its name.
//   - [Dir.Sync] makes the entries of that directory durable (and its own metadata), not what is in the files.
//   - Operations on one name are never reordered; a rename within one directory, or of a directory, happens or
//     does not; a file moved between directories keeps its old name, its new one, or both. A name that was durable
//     is never destroyed before the operations it followed (the rename or link that moved the file elsewhere,
//     the making of the directory it went to).
//   - Content is written back in blocks of 4 KiB in any order; size changes in the order they were made.
//     A block that was lost under a size that was kept reads as zeros.
//   - A symbolic link has its target, and any new inode its mode and owner, from the moment its name exists.
//
// [Memory.Crash] gives the file system found after power loss. All methods are safe for concurrent use.
// There are no permission checks. It implements [Flusher], [Streamer], [Space] and [Kind] on directories, [Reserver],
// [Sparse] and [Cloner] on files. Content is shared copy-on-write between clones and crashes, holes cost nothing.
type Memory struct {
	mu      sync.Mutex
	options MemoryOptions
	root    *memNode
	inodes  uint64 // the last number given
	clock   int64  // of the default Now
	used    int64  // bytes charged against the quota
	journal []*memOp
	compact int // length of the journal at which finished operations are dropped
}

// NewMemory makes an empty file system.
func NewMemory(o MemoryOptions) *Memory {
	m := &Memory{options: o, clock: 1_600_000_000_000_000_000}
	m.root = m.newNode(Directory, 0o755)
	m.root.names = 1
	return m
}

// Root opens the top directory.
func (m *Memory) Root() Dir { return &memDir{memory: m, node: m.root, path: "."} }

// Used is the number of bytes counted against the quota.
func (m *Memory) Used() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.used
}

// Mknod makes a special file (or an empty regular file or directory) at a slash-separated path below the root.
func (m *Memory) Mknod(path string, t Type) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	d, name := m.root, path
	for {
		head, rest, more := strings.Cut(name, "/")
		if !more {
			break
		}
		next := d.child(m.key(head))
		if next == nil || next.kind != Directory {
			return &fs.PathError{Op: "mknod", Path: path, Err: fs.ErrNotExist}
		}
		d, name = next, rest
	}
	err := m.checkName(name)
	if err == nil && d.child(m.key(name)) != nil {
		err = fs.ErrExist
	}
	if err != nil {
		return &fs.PathError{Op: "mknod", Path: path, Err: err}
	}
	mode := uint32(0o644)
	if t == Directory {
		mode = 0o755
	}
	m.add(d, name, m.newNode(t, mode))
	return nil
}

func (m *Memory) now() int64 {
	if m.options.Now != nil {
		return m.round(m.options.Now())
	}
	m.clock += 1000
	return m.round(m.clock)
}

func (m *Memory) round(t int64) int64 {
	g := m.options.Granularity
	if g <= 0 {
		return t
	}
	r := t % g
	if r < 0 {
		r += g
	}
	return t - r
}

// checkName refuses what is not one path element, and what the imitated system refuses.
func (m *Memory) checkName(name string) error {
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") {
		return ErrName
	}
	if len(name) > 255 {
		return syscall.ENAMETOOLONG
	}
	if m.options.WindowsNames && !memWindowsName(name) {
		return ErrName
	}
	return nil
}

func memWindowsName(name string) bool {
	if strings.ContainsAny(name, `<>:"|?*\`) || strings.HasSuffix(name, ".") || strings.HasSuffix(name, " ") {
		return false
	}
	for i := range len(name) {
		if name[i] < ' ' {
			return false
		}
	}
	stem, _, _ := strings.Cut(strings.ToUpper(name), ".")
	stem = strings.TrimRight(stem, " ")
	switch stem {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$":
		return false
	}
	if rest, ok := strings.CutPrefix(stem, "COM"); ok {
		return !memPort(rest)
	}
	if rest, ok := strings.CutPrefix(stem, "LPT"); ok {
		return !memPort(rest)
	}
	return true
}

func memPort(s string) bool {
	switch s {
	case "1", "2", "3", "4", "5", "6", "7", "8", "9", "¹", "²", "³":
		return true
	}
	return false
}

// key is what two spellings of one name have in common.
func (m *Memory) key(name string) string {
	if m.options.Normalize {
		name = memCompose(name)
	}
	if m.options.FoldCase {
		name = strings.ToLower(strings.ToUpper(name))
	}
	return name
}

// memCompose joins a Latin letter and the combining mark after it, for the marks that Latin-1 and its neighbours
// have letters for. It is no full NFC: enough to meet a file system that is.
func memCompose(name string) string {
	if !strings.ContainsAny(name, "\u0300\u0301\u0302\u0303\u0308\u030a\u030c\u0327") {
		return name
	}
	var out []rune
	for _, r := range name {
		if n := len(out); n > 0 {
			if c := memComposed(out[n-1], r); c != 0 {
				out[n-1] = c
				continue
			}
		}
		out = append(out, r)
	}
	return string(out)
}

func memComposed(base, mark rune) rune {
	var from, to string
	switch mark {
	case 0x0300:
		from, to = "AEIOUaeiou", "ÀÈÌÒÙàèìòù"
	case 0x0301:
		from, to = "AEIOUYaeiouyCcNnSsZz", "ÁÉÍÓÚÝáéíóúýĆćŃńŚśŹź"
	case 0x0302:
		from, to = "AEIOUaeiou", "ÂÊÎÔÛâêîôû"
	case 0x0303:
		from, to = "ANOano", "ÃÑÕãñõ"
	case 0x0308:
		from, to = "AEIOUaeiouy", "ÄËÏÖÜäëïöüÿ"
	case 0x030a:
		from, to = "AaUu", "ÅåŮů"
	case 0x030c:
		from, to = "CcDdEeNnRrSsTtZz", "ČčĎďĚěŇňŘřŠšŤťŽž"
	case 0x0327:
		from, to = "CcSs", "ÇçŞş"
	}
	letters := []rune(to)
	for i, r := range []rune(from) {
		if r == base {
			return letters[i]
		}
	}
	return 0
}
