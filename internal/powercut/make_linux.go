package powercut

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// ErrCannot says that this machine lacks what a Disk needs.
var ErrCannot = errors.New("power cuts need root, /dev/fuse, loop devices, and the tools of the file system")

// FileSystems are the types that MakeImage knows.
func FileSystems() []string { return []string{"ext4", "xfs", "btrfs"} }

// MakeImage makes a file system, as small as its kind allows, with the help of a file in dir.
func MakeImage(dir, fsType string) (Image, error) {
	size, args := int64(0), []string(nil)
	switch fsType {
	case "ext4":
		size, args = 64<<20, []string{"-q", "-F"}
	case "xfs":
		size, args = 300<<20, []string{"-q", "-f"}
	case "btrfs":
		size, args = 128<<20, []string{"-q", "-f"}
	default:
		return nil, fmt.Errorf("%w: no file system %q", ErrCannot, fsType)
	}
	program, err := exec.LookPath("mkfs." + fsType)
	if os.Geteuid() != 0 {
		err = errors.Join(err, os.ErrPermission)
	}
	for _, device := range []string{"/dev/fuse", "/dev/loop-control"} {
		if _, missing := os.Stat(device); missing != nil {
			err = errors.Join(err, missing)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCannot, err)
	}
	file := filepath.Join(dir, fsType)
	if err := errors.Join(os.WriteFile(file, nil, 0o600), os.Truncate(file, size)); err != nil {
		return nil, err
	}
	if out, err := exec.Command(program, append(args, file)...).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", program, err, out)
	}
	return ReadImage(file)
}
