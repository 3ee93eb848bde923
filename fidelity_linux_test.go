package varve_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"varve"
	"varve/internal/disk"
)

// TestFidelity: a tree with everything that a Linux file system can say of files, restored to a new folder with
// its owners, is the same in the eyes of two other programs: rsync finds nothing to copy, set or delete, and
// restic finds the same content and lists the same metadata.
func TestFidelity(t *testing.T) {
	t.Parallel()
	src, out, vault := t.TempDir(), filepath.Join(t.TempDir(), "out"), t.TempDir()
	t.Cleanup(func() { writable(src); writable(out) })
	buildRich(t, src)
	ctx := t.Context()
	v, _, err := varve.OpenOrCreate(ctx, vault, varve.Options{})
	if err != nil {
		t.Fatal(err)
	}
	d, err := disk.Open(src)
	if err != nil {
		t.Fatal(err)
	}
	p, err := v.Project(d, src)
	if err != nil {
		t.Fatal(err)
	}
	snap := mustSnap(t, &site{v: v, p: p, dir: d})
	res, err := p.Restore(ctx, varve.RestoreOptions{Snapshot: snap, To: out, Owner: true})
	if err != nil || len(res.Errors) > 0 || len(res.Warnings) > 0 {
		t.Fatalf("restore: %v, %+v, warnings %q", err, res.Errors, res.Warnings)
	}
	// A snapshot keeps what is in a folder, not the folder's own mode and time.
	matchRoot(t, src, out)
	t.Run("rsync", func(t *testing.T) { compareRsync(t, src, out) })
	t.Run("holes", func(t *testing.T) { compareHoles(t, src, out) })
	t.Run("restic", func(t *testing.T) { compareRestic(t, src, out) })
}

// rich builds a tree and stops the test at the first error.
type rich struct {
	t    *testing.T
	root string
}

func (r *rich) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rich) at(name string) string { return r.root + "/" + name }

func (r *rich) file(name string, content []byte) {
	r.t.Helper()
	r.must(os.MkdirAll(filepath.Dir(r.at(name)), 0o755))
	r.must(os.WriteFile(r.at(name), content, 0o644))
}

func (r *rich) xattr(name, attr string, value []byte) {
	r.t.Helper()
	r.must(unix.Lsetxattr(r.at(name), attr, value, 0))
}

func (r *rich) mtime(name string, ns int64) {
	r.t.Helper()
	at := unix.NsecToTimespec(ns)
	r.must(unix.UtimesNanoAt(unix.AT_FDCWD, r.at(name), []unix.Timespec{at, at}, unix.AT_SYMLINK_NOFOLLOW))
}

// buildRich makes a tree with every kind of metadata that the user may set; root may set more.
func buildRich(t *testing.T, root string) {
	t.Helper()
	r := &rich{t, root}
	oddNames(r)
	for _, mode := range []uint32{0o400, 0o644, 0o777, 0o1644, 0o2755, 0o4755, 0o6711} {
		name := fmt.Sprintf("modes/%04o", mode)
		r.file(name, []byte(name))
		r.must(unix.Chmod(r.at(name), mode))
		dir := fmt.Sprintf("modes/dir%04o", mode|0o500)
		r.must(os.Mkdir(r.at(dir), 0o755))
		r.file(dir+"/in", nil)
		r.must(unix.Chmod(r.at(dir), mode|0o500))
	}
	links(r)
	r.file("data/small.txt", []byte("clay\n"))
	r.file("data/large.bin", newNoise(1, 5<<20))
	r.file("data/runs.bin", bytes.Repeat([]byte{0, 0, 1, 0}, 300_000))
	sparse(r)
	attributes(r)
	if os.Geteuid() == 0 {
		owners(r)
	}
	// Times come last: what was made in a folder changed its time.
	for name, ns := range map[string]int64{
		"data/small.txt": 1_600_000_000_123_456_789, "data/large.bin": 999_999_999, "data/runs.bin": 0, "modes/0644": -1_500_000_000,
		"modes/0777": 4_102_444_800_000_000_001, "links/to-file": 1_500_000_000_000_000_007, "links/dangling": 77,
		"data": 1_234_567_890_000_000_009, "empty": -1, "modes": 1_000_000_000_000_000_000,
	} {
		r.mtime(name, ns)
	}
}

// writable lets a folder be removed by who is not root.
func writable(root string) {
	_ = filepath.WalkDir(root, func(p string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			_ = os.Chmod(p, 0o700)
		}
		return nil
	})
}

func oddNames(r *rich) {
	for _, name := range []string{" ", "  two", "trailing ", "new\nline", "tab\t", "-rf", "--delete", "*", "?", "[a]", `back\slash`, `"quoted"`, "'", "$HOME", "`id`", "con", "nul.txt",
		"dot.", "...", ".hidden", "a:b", "a;b", "é composed", "e\u0301 decomposed", "日本語", "\U0001f30d", "\xff\xfe bytes", "control\x01\x7f", "\u202eright", strings.Repeat("n", 255)} {
		r.file("names/"+name, []byte(name))
		r.file("names/dir "+name[:min(len(name), 250)]+"/"+name, []byte(name))
	}
	r.must(os.MkdirAll(r.at("empty/empty/empty"), 0o755))
	r.file(strings.Repeat("deep/", 60)+"file", []byte("down here"))
}

func links(r *rich) {
	r.must(os.Mkdir(r.at("links"), 0o755))
	for name, target := range map[string]string{"to-file": "../data/small.txt", "to-dir": "../data", "dangling": "no/such\nplace", "absolute": "/etc/hostname", "self": "self", "bytes": "\xff", "long": strings.Repeat("x/", 1500)} {
		r.must(os.Symlink(target, r.at("links/"+name)))
	}
	r.file("links/one", []byte("one inode"))
	r.file("links/empty", nil)
	for _, name := range []string{"links/two", "three", "empty-too"} {
		from := "links/one"
		if name == "empty-too" {
			from = "links/empty"
		}
		r.must(os.Link(r.at(from), r.at(name)))
	}
}

// sparse makes files with holes: at the start, in the middle, at the end, and nothing but.
func sparse(r *rich) {
	r.must(os.Mkdir(r.at("sparse"), 0o755))
	for name, data := range map[string][]int64{"middle": {0, 4 << 20, 8<<20 - 9}, "end": {0}, "start": {6 << 20}, "all": nil} {
		f, err := os.Create(r.at("sparse/" + name))
		r.must(err)
		for _, off := range data {
			_, err := f.WriteAt([]byte("sediment!"), off)
			r.must(err)
		}
		r.must(f.Truncate(8 << 20))
		r.must(f.Close())
	}
}

func attributes(r *rich) {
	r.file("attrs/file", []byte("x"))
	r.file("attrs/many", []byte("x"))
	r.must(os.Mkdir(r.at("attrs/dir"), 0o755))
	if err := unix.Lsetxattr(r.at("attrs/file"), "user.varve", []byte("v"), 0); err != nil {
		r.t.Logf("the temporary folder takes no attributes: they are left out (%v)", err)
		return
	}
	r.xattr("attrs/file", "user.empty", nil)
	r.xattr("attrs/file", "user.binary", []byte{0, 255, 10, 0})
	r.xattr("attrs/dir", "user.dir", []byte("of a folder"))
	for i := range 20 {
		r.xattr("attrs/many", fmt.Sprintf("user.n%02d", i), newNoise(byte(i), 60))
	}
	r.file("attrs/acl", []byte("x"))
	r.must(os.Mkdir(r.at("attrs/acl-dir"), 0o750))
	if err := unix.Lsetxattr(r.at("attrs/acl"), "system.posix_acl_access", acl(6), 0); err != nil {
		r.t.Logf("the temporary folder takes no access lists: they are left out (%v)", err)
		return
	}
	r.xattr("attrs/acl-dir", "system.posix_acl_access", acl(7))
	r.xattr("attrs/acl-dir", "system.posix_acl_default", acl(7))
	r.file("attrs/acl-dir/inherits", []byte("x"))
	r.must(os.Mkdir(r.at("attrs/acl-dir/inherits-too"), 0o755))
	// This one inherits from its folder when it is made, and must not have what it inherits in the end.
	r.file("attrs/acl-dir/has-none", []byte("x"))
	r.must(unix.Lremovexattr(r.at("attrs/acl-dir/has-none"), "system.posix_acl_access"))
}

// acl is an access list as an attribute holds it: these rights for the owner, r for a user and a group of their
// own and for the mask, nothing for others.
func acl(owner uint32) []byte {
	b := binary.LittleEndian.AppendUint32(nil, 2)
	const none = 1<<32 - 1
	for _, e := range []struct{ tag, perm, id uint32 }{{1, owner, none}, {2, 4, 1234}, {4, 0, none}, {8, 4, 4321}, {16, 4, none}, {32, 0, none}} {
		b = binary.LittleEndian.AppendUint16(b, uint16(e.tag))
		b = binary.LittleEndian.AppendUint16(b, uint16(e.perm))
		b = binary.LittleEndian.AppendUint32(b, e.id)
	}
	return b
}

// owners are for root alone: files of others, with bits that a change of owner takes away, and attributes that
// only root may set.
func owners(r *rich) {
	for i, mode := range []uint32{0o644, 0o4755, 0o2755} {
		name := fmt.Sprintf("owners/%d", i)
		r.file(name, []byte(name))
		r.must(os.Chown(r.at(name), 1000+i, 2000+i))
		r.must(unix.Chmod(r.at(name), mode))
	}
	r.must(unix.Chmod(r.at("owners/0"), 0)) // root reads it all the same
	r.must(os.Mkdir(r.at("owners/dir"), 0o755))
	r.must(os.Symlink("0", r.at("owners/link")))
	r.must(os.Lchown(r.at("owners/dir"), 70_000, 1<<31))
	r.must(os.Lchown(r.at("owners/link"), 5, 6))
	r.file("owners/capable", []byte("#!"))
	r.must(os.Chown(r.at("owners/capable"), 1234, 1234))
	for name, attr := range map[string]string{"owners/capable": "security.capability", "owners/0": "trusted.varve", "owners/link": "trusted.link", "owners/dir": "trusted.dir"} {
		value := []byte("v")
		if attr == "security.capability" {
			value = []byte{1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0} // cap_net_raw, effective
		}
		if err := unix.Lsetxattr(r.at(name), attr, value, 0); err != nil {
			r.t.Logf("%s is left out (%v)", attr, err)
		}
	}
}

func newNoise(seed byte, n int) []byte {
	b := make([]byte, n)
	_, _ = newLockedRand(uint64(seed)).Read(b)
	return b
}

func matchRoot(t *testing.T, src, out string) {
	t.Helper()
	r := &rich{t, out}
	info, err := os.Stat(src)
	r.must(err)
	r.must(os.Chmod(out, info.Mode()))
	r.must(os.Chtimes(out, info.ModTime(), info.ModTime()))
}

func tool(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("the package %s is not installed", name)
	}
}

// compareRsync: it compares by content, times to the nanosecond, hard links, access lists and attributes.
func compareRsync(t *testing.T, src, out string) {
	tool(t, "rsync")
	differ := func() string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "rsync", "-aHAXS", "--checksum", "--modify-window=-1", "--dry-run", "--itemize-changes", "--delete", "--exclude=.varve", src+"/", out+"/")
		b, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, b)
		}
		return string(b)
	}
	if got := differ(); got != "" {
		t.Errorf("rsync would do\n%s", got)
	}
	// So that its silence means something: it tells each of these.
	r := &rich{t, out}
	for what, change := range map[string]func(back bool){
		"a nanosecond": func(back bool) {
			ns := int64(1_600_000_000_123_456_788)
			if back {
				ns++
			}
			r.mtime("data/small.txt", ns)
		},
		"a bit of the mode": func(back bool) {
			mode := uint32(0o755)
			if back {
				mode = 0o4755
			}
			r.must(unix.Chmod(r.at("modes/4755"), mode))
		},
		"an empty folder": func(back bool) {
			if back {
				r.must(os.Mkdir(r.at("empty/empty/empty"), 0o755))
				info, err := os.Lstat(src + "/empty/empty/empty")
				r.must(err)
				r.mtime("empty/empty/empty", info.ModTime().UnixNano())
			} else {
				r.must(os.Remove(r.at("empty/empty/empty")))
			}
			info, err := os.Lstat(src + "/empty/empty")
			r.must(err)
			r.mtime("empty/empty", info.ModTime().UnixNano())
		},
	} {
		change(false)
		if differ() == "" {
			t.Errorf("rsync does not see %s", what)
		}
		change(true)
		if got := differ(); got != "" {
			t.Errorf("%s was put back, and rsync would do\n%s", what, got)
		}
	}
}

// compareHoles: a restored file takes no more room than the one it was.
func compareHoles(t *testing.T, src, out string) {
	for _, name := range []string{"middle", "end", "start", "all"} {
		var a, b syscall.Stat_t
		if err := syscall.Stat(src+"/sparse/"+name, &a); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Stat(out+"/sparse/"+name, &b); err != nil {
			t.Fatal(err)
		}
		if a.Blocks*512 >= a.Size/2 {
			t.Skipf("the temporary folder has no holes: %s takes %d bytes", name, a.Blocks*512)
		}
		if b.Blocks > a.Blocks {
			t.Errorf("%s takes %d bytes, and took %d", name, b.Blocks*512, a.Blocks*512)
		}
	}
}

// compareRestic backs both folders up and has their content compared, and their metadata listed.
func compareRestic(t *testing.T, src, out string) {
	if testing.Short() {
		t.Skip("restic takes seconds to derive its keys")
	}
	tool(t, "restic")
	repo, cache := t.TempDir(), t.TempDir()
	restic := func(dir string, args ...string) []byte {
		cmd := exec.CommandContext(t.Context(), "restic", append([]string{"--repo", repo, "--cache-dir", cache, "--quiet"}, args...)...)
		cmd.Env = append(os.Environ(), "RESTIC_PASSWORD=x")
		cmd.Dir = dir
		b, err := cmd.Output()
		if err != nil {
			t.Errorf("restic %s: %v\n%s", args[0], err, b)
		}
		return b
	}
	restic("", "init")
	var ids [2]string
	for i, dir := range []string{src, out} {
		var summary struct {
			ID string `json:"snapshot_id"`
		}
		if err := json.Unmarshal(restic(dir, "backup", "--exclude=.varve", "--json", "."), &summary); err != nil || summary.ID == "" {
			t.Fatalf("backup of %s: %v", dir, err)
		}
		ids[i] = summary.ID
	}
	var lists [2][]byte
	var diff []byte
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() { lists[i] = restic("", "ls", "--json", ids[i]) })
	}
	wg.Go(func() { diff = restic("", "diff", ids[0], ids[1]) })
	wg.Wait()
	a, b := resticNodes(t, lists[0]), resticNodes(t, lists[1])
	for p, n := range a {
		if b[p] != n {
			t.Errorf("%q was %s, is %s", p, n, b[p])
		}
	}
	if len(a) != len(b) || len(a) < 100 {
		t.Errorf("%d entries, were %d", len(b), len(a))
	}
	// Of the content it says whether anything differs: a line a path, after the head.
	for line := range strings.Lines(string(diff)) {
		if len(line) > 1 && strings.ContainsRune("M+-T", rune(line[0])) && line[1] == ' ' {
			t.Errorf("restic finds %s", line)
		}
	}
}

// resticNodes are the entries of a snapshot: what restic says of each that an hour and another inode do not
// change.
func resticNodes(t *testing.T, list []byte) map[string]string {
	t.Helper()
	out := map[string]string{}
	dec := json.NewDecoder(bytes.NewReader(list))
	for dec.More() {
		var n struct {
			Path, Type, Permissions string
			UID, GID                uint32
			Size                    uint64
			Mode                    uint64
			Mtime                   time.Time
			Kind                    string `json:"struct_type"`
		}
		if err := dec.Decode(&n); err != nil {
			t.Fatal(err)
		}
		if n.Kind == "node" {
			out[n.Path] = fmt.Sprint(n.Type, " ", n.Mode, " ", n.UID, ":", n.GID, " ", n.Size, " bytes, ", n.Mtime.UnixNano())
		}
	}
	return out
}
