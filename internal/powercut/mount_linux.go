package powercut

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// MountImage writes an image into the empty folder dir and mounts it at dir/mount, which it returns. done takes it away.
func MountImage(dir string, img Image, fsType string) (at string, done func() error, err error) {
	at, file := filepath.Join(dir, "mount"), filepath.Join(dir, "disk")
	if err := errors.Join(os.Mkdir(at, 0o755), img.save(file)); err != nil {
		return "", nil, err
	}
	if err := mountLoop(file, at, fsType); err != nil {
		return "", nil, err
	}
	return at, func() error { return unmount(at) }, nil
}

// mountLoop mounts the file system in a file. The loop device goes with the mount.
func mountLoop(file, at, fsType string) error {
	dev, fd, err := attach(file)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if fsType == "btrfs" {
		forgetBtrfs()
	}
	data := ""
	if fsType == "xfs" || fsType == "btrfs" {
		data = "nodiscard"
	}
	if fsType == "xfs" {
		data += ",nouuid" // copies of one file system
	}
	if err := unix.Mount(dev, at, fsType, unix.MS_NOATIME, data); err != nil {
		return fmt.Errorf("mount %s: %w", fsType, err)
	}
	return nil
}

// forgetBtrfs has the kernel forget what it saw of file systems that are not mounted: it would refuse an older copy of one.
func forgetBtrfs() {
	control, err := unix.Open("/dev/btrfs-control", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return // mounting says what is wrong
	}
	defer unix.Close(control)
	const forgetDev = 0x50009405 // BTRFS_IOC_FORGET_DEV
	var all [4096]byte
	unix.Syscall(unix.SYS_IOCTL, uintptr(control), forgetDev, uintptr(unsafe.Pointer(&all)))
}

// attach gives a file to a loop device that is free. Others may be quicker.
func attach(file string) (dev string, fd int, err error) {
	back, err := unix.Open(file, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", -1, fmt.Errorf("open %s: %w", file, err)
	}
	defer unix.Close(back)
	control, err := unix.Open("/dev/loop-control", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", -1, fmt.Errorf("open /dev/loop-control: %w", err)
	}
	defer unix.Close(control)
	for range 100 {
		n, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(control), unix.LOOP_CTL_GET_FREE, 0)
		if errno != 0 {
			return "", -1, fmt.Errorf("find a loop device: %w", errno)
		}
		dev = fmt.Sprintf("/dev/loop%d", n)
		if fd, err = unix.Open(dev, unix.O_RDWR|unix.O_CLOEXEC, 0); err != nil {
			return "", -1, fmt.Errorf("open %s: %w", dev, err)
		}
		config := unix.LoopConfig{Fd: uint32(back)}
		config.Info.Flags = unix.LO_FLAGS_AUTOCLEAR
		_, _, errno = unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.LOOP_CONFIGURE, uintptr(unsafe.Pointer(&config)))
		if errno == 0 {
			return dev, fd, nil
		}
		err = errno
		unix.Close(fd)
		if errno != unix.EBUSY {
			break
		}
	}
	return "", -1, fmt.Errorf("set up %s: %w", dev, err)
}

// unmount waits a little for those who have not gone yet.
func unmount(at string) (err error) {
	for range 200 {
		if err = unix.Unmount(at, 0); !errors.Is(err, unix.EBUSY) {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if errors.Is(err, unix.EBUSY) {
		err = errors.Join(err, unix.Unmount(at, unix.MNT_DETACH))
	}
	if err != nil {
		return fmt.Errorf("unmount %s: %w", at, err)
	}
	return nil
}
