package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// onlooker tells others' writes from the command's where the kernel names nobody: it is told of writes (inotify), and
// asks how often the command and all that it started have written so far. A file that was written and closed while none
// of them wrote anything is somebody else's work. Whatever is not certain counts as the command's.
type onlooker struct {
	fd      int
	root    string
	folders map[int32]string // watch → path from root
	written map[string]bool  // since it was opened: true, if it may be the command's
	foreign map[string]bool
	moving  map[uint32]bool // the halves of moves, by their cookie: whether what moves is foreign
	done    chan struct{}
	ended   chan struct{}
}

const (
	onlookerTick = 40 * time.Millisecond
	maxWatches   = 50_000
	// settling is longer than the kernel takes from telling of a write to counting it.
	settling = 3 * time.Millisecond
)

// look begins to watch the folders of root, but those that nobody edits by hand.
func look(root string) (*onlooker, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, err
	}
	o := &onlooker{fd: fd, root: root, folders: map[int32]string{}, written: map[string]bool{}, foreign: map[string]bool{}, moving: map[uint32]bool{}, done: make(chan struct{}), ended: make(chan struct{})}
	if err := o.add("."); err != nil {
		unix.Close(fd)
		return nil, err
	}
	before := writes()
	go o.watch(before)
	return o, nil
}

// add watches a folder and all below it.
func (o *onlooker) add(rel string) error {
	return filepath.WalkDir(filepath.Join(o.root, rel), func(at string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return nil // what cannot be watched is the command's
		}
		if n := d.Name(); slices.Contains([]string{".git", ".varve", ".venv", "venv", "node_modules", "__pycache__"}, n) && at != o.root {
			return fs.SkipDir
		}
		if len(o.folders) >= maxWatches {
			return fmt.Errorf("more than %d folders", maxWatches)
		}
		wd, err := unix.InotifyAddWatch(o.fd, at, unix.IN_MODIFY|unix.IN_CLOSE_WRITE|unix.IN_MOVED_FROM|unix.IN_MOVED_TO|unix.IN_CREATE|unix.IN_ONLYDIR)
		if err != nil {
			return err
		}
		inside, err := filepath.Rel(o.root, at)
		o.folders[int32(wd)] = inside
		return err
	})
}

// watch reads what is told, and judges it by whether the command wrote. What is read now was told after all had been
// read the last time; older was taken before that.
func (o *onlooker) watch(older string) {
	defer close(o.ended)
	defer unix.Close(o.fd)
	last, buf := older, make([]byte, 256<<10)
	for ending := false; ; {
		began := time.Now()
		var told []byte
		for {
			n, err := unix.Read(o.fd, buf)
			if n <= 0 || err != nil {
				break
			}
			told = append(told, buf[:n]...)
		}
		if len(told) > 0 {
			time.Sleep(settling)
		}
		now := writes()
		o.judge(told, now != "" && now == last && now == older)
		older, last = last, now
		if ending {
			return
		}
		// Never more than a twentieth of the time is spent in looking.
		select {
		case <-o.done:
			ending = true
		case <-time.After(max(onlookerTick, 20*time.Since(began))):
		}
	}
}

// judge goes through events; quiet says that the command wrote nothing since before the first of them.
func (o *onlooker) judge(told []byte, quiet bool) {
	for len(told) >= unix.SizeofInotifyEvent {
		e := (*unix.InotifyEvent)(unsafe.Pointer(&told[0]))
		size := unix.SizeofInotifyEvent + int(e.Len)
		if size > len(told) {
			return
		}
		name, _, _ := bytes.Cut(told[unix.SizeofInotifyEvent:size], []byte{0})
		folder, known := o.folders[e.Wd]
		at := filepath.ToSlash(filepath.Join(folder, string(name)))
		switch {
		case !known || len(name) == 0:
		case e.Mask&unix.IN_ISDIR != 0:
			if e.Mask&(unix.IN_CREATE|unix.IN_MOVED_TO) != 0 {
				_ = o.add(filepath.Join(folder, string(name))) // else what is in it counts as the command's
			}
		default:
			o.event(at, e.Mask, e.Cookie, quiet)
		}
		told = told[size:]
	}
}

func (o *onlooker) event(at string, mask, cookie uint32, quiet bool) {
	switch {
	case mask&unix.IN_MODIFY != 0:
		o.written[at] = o.written[at] || !quiet
	case mask&unix.IN_CLOSE_WRITE != 0:
		doubtful, wrote := o.written[at]
		delete(o.written, at)
		if wrote && !doubtful && quiet && !o.empty(at) {
			o.foreign[at] = true
		}
	case mask&unix.IN_MOVED_FROM != 0:
		o.moving[cookie] = o.foreign[at]
		delete(o.foreign, at)
	case mask&unix.IN_MOVED_TO != 0:
		// An editor that saves by way of a new file.
		if o.moving[cookie] && !o.empty(at) {
			o.foreign[at] = true
		}
		delete(o.moving, cookie)
	}
}

// empty reports whether a file is there and has nothing in it. To empty one takes no writing: that nobody wrote tells
// nothing then.
func (o *onlooker) empty(at string) bool {
	info, err := os.Lstat(filepath.Join(o.root, filepath.FromSlash(at)))
	return err == nil && info.Size() == 0
}

// writes says which processes this one has started, and they in turn, and how often they have written; "" where that
// cannot be told. That it is the same twice means that none of them wrote between.
func writes() string {
	var out []string
	queue, seen := []string{"self"}, map[string]bool{}
	for len(queue) > 0 {
		pid := queue[0]
		queue = queue[1:]
		threads, err := os.ReadDir("/proc/" + pid + "/task")
		if err != nil {
			continue // it has ended: it is not among them the next time
		}
		for _, t := range threads {
			children, err := os.ReadFile("/proc/" + pid + "/task/" + t.Name() + "/children")
			if err != nil && pid == "self" {
				return "" // a kernel that does not tell
			}
			for _, c := range strings.Fields(string(children)) {
				if !seen[c] {
					seen[c] = true
					queue = append(queue, c)
				}
			}
		}
		if pid == "self" {
			continue
		}
		io, err := os.ReadFile("/proc/" + pid + "/io")
		if err != nil {
			out = append(out, pid+" ?"+strconv.FormatInt(time.Now().UnixNano(), 36)) // never the same twice
			continue
		}
		for line := range strings.Lines(string(io)) {
			if n, ok := strings.CutPrefix(line, "syscw: "); ok {
				out = append(out, pid+" "+strings.TrimSpace(n))
			}
		}
	}
	slices.Sort(out)
	return "." + strings.Join(out, ",")
}

// stop ends it, and returns who else wrote to a path.
func (o *onlooker) stop() func(string) string {
	close(o.done)
	<-o.ended
	return func(at string) string {
		if o.foreign[at] {
			return "another program"
		}
		return ""
	}
}
