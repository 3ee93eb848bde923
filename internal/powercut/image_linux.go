package powercut

import (
	"errors"
	"io"
	"os"
)

const pageSize = 4096

type page [pageSize]byte

// An Image is what a disk holds. Pages are shared between images and never changed; nil is zeros.
type Image []*page

// ReadImage reads a file that a file system was made in.
func ReadImage(path string) (Image, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	out := make(Image, (st.Size()+pageSize-1)/pageSize)
	for i := range out {
		p := new(page)
		if n, err := f.ReadAt(p[:], int64(i)*pageSize); err != nil && !(errors.Is(err, io.EOF) && n > 0) {
			return nil, err
		}
		if *p != (page{}) {
			out[i] = p
		}
	}
	return out, nil
}

// save writes the image into a new sparse file.
func (img Image) save(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = f.Truncate(int64(len(img)) * pageSize)
	for i, p := range img {
		if p != nil && err == nil {
			_, err = f.WriteAt(p[:], int64(i)*pageSize)
		}
	}
	return errors.Join(err, f.Close())
}

// write changes what lies within one page.
func (img Image) write(off int64, data []byte) {
	p := new(page)
	if old := img[off/pageSize]; old != nil {
		*p = *old
	}
	copy(p[off%pageSize:], data)
	img[off/pageSize] = p
}

func (img Image) read(off int64, to []byte) {
	clear(to)
	for len(to) > 0 && off/pageSize < int64(len(img)) {
		n := min(int64(len(to)), pageSize-off%pageSize)
		if p := img[off/pageSize]; p != nil {
			copy(to[:n], p[off%pageSize:])
		}
		to, off = to[n:], off+n
	}
}
