package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// witness sees who writes to files of a folder while a command runs, so that a rollback leaves what others wrote. The
// kernel tells which process closed a file it wrote, or moved or removed one (fanotify); that takes the right to watch a
// whole file system. Without it an onlooker tells what it can.
type witness struct {
	onlooker *onlooker // instead

	fd, mount int
	root      string // with all links resolved
	done      chan struct{}
	ended     chan struct{}

	mu      sync.Mutex
	foreign map[string]string // path → who
	folders map[string]string // handle of a folder → its path from root; "/" for one outside
}

const (
	fanReportDirName = 0xc00 // FAN_REPORT_DIR_FID | FAN_REPORT_NAME
	fanInfoDirName   = 2     // FAN_EVENT_INFO_TYPE_DFID_NAME
	maxForeign       = 100_000
)

// witness begins to watch the folder root.
func (e *env) witness(root string) *witness {
	w := &witness{fd: -1, mount: -1, done: make(chan struct{}), ended: make(chan struct{}), foreign: map[string]string{}, folders: map[string]string{}}
	if err := w.open(root); err != nil {
		w.close()
		if w.onlooker, err = look(root); err != nil && e.verbose {
			e.say("who else writes meanwhile cannot be seen: %v", err)
		}
		return w
	}
	go w.watch()
	return w
}

func (w *witness) open(root string) (err error) {
	if w.root, err = filepath.EvalSymlinks(root); err != nil {
		return err
	}
	if w.fd, err = unix.FanotifyInit(unix.FAN_CLASS_NOTIF|unix.FAN_CLOEXEC|unix.FAN_NONBLOCK|fanReportDirName, unix.O_RDONLY|unix.O_CLOEXEC); err != nil {
		return err
	}
	const mask = unix.FAN_CLOSE_WRITE | unix.FAN_MOVED_TO | unix.FAN_MOVED_FROM | unix.FAN_DELETE | unix.FAN_ONDIR
	if err = unix.FanotifyMark(w.fd, unix.FAN_MARK_ADD|unix.FAN_MARK_FILESYSTEM, mask, unix.AT_FDCWD, w.root); err != nil {
		return err
	}
	w.mount, err = unix.Open(w.root, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	return err
}

func (w *witness) close() {
	for _, fd := range []int{w.fd, w.mount} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
	w.fd, w.mount = -1, -1
}

// watch reads events until it is told to end, and then those that are there yet.
func (w *witness) watch() {
	defer close(w.ended)
	buf := make([]byte, 256<<10)
	for last := false; ; {
		n, err := unix.Read(w.fd, buf)
		switch {
		case n > 0:
			w.events(buf[:n])
			continue
		case err != nil && !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR):
			return
		case last:
			return
		}
		select {
		case <-w.done:
			last = true
		default:
			poll := []unix.PollFd{{Fd: int32(w.fd), Events: unix.POLLIN}}
			_, _ = unix.Poll(poll, int(20*time.Millisecond/time.Millisecond)) // an error shows in the next read
		}
	}
}

// events takes events apart: a head of 24 bytes each, then records, of which one has a folder's handle and a name.
func (w *witness) events(b []byte) {
	for len(b) >= 24 {
		size := int(binary.NativeEndian.Uint32(b))
		head := int(binary.NativeEndian.Uint16(b[6:]))
		if size < 24 || size > len(b) || head > size {
			return
		}
		mask := binary.NativeEndian.Uint64(b[8:])
		pid := int(int32(binary.NativeEndian.Uint32(b[20:])))
		if mask&unix.FAN_ONDIR != 0 {
			clear(w.folders) // a folder may have another name now
		} else {
			w.event(b[head:size], pid)
		}
		b = b[size:]
	}
}

func (w *witness) event(info []byte, pid int) {
	for len(info) >= 4 {
		kind, size := info[0], int(binary.NativeEndian.Uint16(info[2:]))
		if size < 4 || size > len(info) {
			return
		}
		if kind == fanInfoDirName && size > 20 {
			w.named(info[4:size], pid)
		}
		info = info[size:]
	}
}

// named is told of a name in a folder: the file system's id (8 bytes), the length and type of a handle, the handle, the name.
func (w *witness) named(b []byte, pid int) {
	n := int(binary.NativeEndian.Uint32(b[8:]))
	if n < 0 || n > 128 || 16+n > len(b) {
		return
	}
	handle := unix.NewFileHandle(int32(binary.NativeEndian.Uint32(b[12:])), b[16:16+n])
	name, _, _ := bytes.Cut(b[16+n:], []byte{0})
	folder, ok := w.folders[string(b[8:16+n])]
	if !ok {
		folder = w.resolve(handle)
		w.folders[string(b[8:16+n])] = folder
	}
	if folder == "/" {
		return
	}
	at := filepath.ToSlash(filepath.Join(folder, string(name)))
	if at == ".varve" || strings.HasPrefix(at, ".varve/") {
		return
	}
	if who := w.other(pid); who != "" {
		w.mu.Lock()
		if len(w.foreign) < maxForeign {
			w.foreign[at] = who
		}
		w.mu.Unlock()
	}
}

// resolve returns the path of a folder from root, "/" for one outside.
func (w *witness) resolve(h unix.FileHandle) string {
	fd, err := unix.OpenByHandleAt(w.mount, h, unix.O_PATH|unix.O_CLOEXEC)
	if err != nil {
		return "/"
	}
	defer unix.Close(fd)
	at, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
	if err != nil {
		return "/"
	}
	rel, err := filepath.Rel(w.root, at)
	if err != nil || rel == ".." || strings.HasPrefix(rel, "../") {
		return "/"
	}
	return rel
}

// other names a process that was not started by this one; "" for one that was, or that has ended and cannot be asked.
func (w *witness) other(pid int) string {
	if pid == 0 {
		return "a process outside of this container"
	}
	self := os.Getpid()
	for at, n := pid, 0; n < 256; n++ {
		if at == self {
			return ""
		}
		parent, ok := parentOf(at)
		if !ok {
			return ""
		}
		if parent <= 1 {
			break
		}
		at = parent
	}
	// One that was left running by its parent has its environment yet.
	if env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid)); err == nil && bytes.Contains(env, []byte("VARVE_RUN=")) {
		return ""
	}
	comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%s (process %d)", strings.TrimSpace(string(comm)), pid)
}

// parentOf reads the parent of a process, which also one that has ended has until its parent has asked how.
func parentOf(pid int) (int, bool) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, false
	}
	// The name, in brackets, may have anything in it.
	fields := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	if len(fields) < 2 {
		return 0, false
	}
	n, err := strconv.Atoi(string(fields[1]))
	return n, err == nil
}

// stop ends it, and returns who else wrote to a path; nil where that could not be seen.
func (w *witness) stop() func(string) string {
	if w.onlooker != nil {
		return w.onlooker.stop()
	}
	if w.fd < 0 {
		return nil
	}
	close(w.done)
	<-w.ended
	w.close()
	return func(at string) string { return w.foreign[at] }
}
