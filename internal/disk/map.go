package disk

import "math"

// Map returns the content of a file that nobody changes any more: mapped into memory on the real disk, read whole
// elsewhere. The data must not be written to, nor used after release; a second release does nothing. A file that is
// cut short while mapped kills the process on access.
func Map(d Dir, name string) (data []byte, release func() error, err error) {
	f, err := d.Open(name)
	if err != nil {
		return nil, nil, err
	}
	onDisk, ok := f.(*osFile)
	if !ok {
		f.Close()
		return readForMap(d, name)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	if info.Size == 0 {
		return nil, releaseNothing, nil
	}
	if info.Size > math.MaxInt {
		return readForMap(d, name) // which says ErrTooLarge
	}
	data, release, err = onDisk.mapAll(int(info.Size))
	if err != nil {
		return readForMap(d, name) // some file systems cannot map
	}
	return data, release, nil
}

func readForMap(d Dir, name string) ([]byte, func() error, error) {
	data, err := ReadFile(d, name, math.MaxInt64)
	if err != nil {
		return nil, nil, err
	}
	return data, releaseNothing, nil
}

func releaseNothing() error { return nil }
