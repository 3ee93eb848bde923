package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/minio/minio-go/v7"

	"varve/store"
)

// growth bounds what is allocated on the service's word alone, in bytes.
const growth = 32 << 20

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, name string, off, n int64, dst []byte) ([]byte, error) {
	if err := ready(ctx, name); err != nil {
		return dst, fmt.Errorf("get: %w", err)
	}
	if off < 0 {
		return dst, fmt.Errorf("get %s at %d: %w", name, off, fs.ErrInvalid)
	}
	for try := 1; ; try++ {
		got, again, err := s.get(ctx, name, off, n, dst)
		if err == nil {
			return got, nil
		}
		if !again || try == s.tries || ctx.Err() != nil {
			return dst, fmt.Errorf("get %s: %w", name, err)
		}
		if err := pause(ctx, try); err != nil {
			return dst, fmt.Errorf("get %s: %w", name, err)
		}
	}
}

// get reads a range once. again says that the answer broke off.
func (s *Store) get(ctx context.Context, name string, off, n int64, dst []byte) (got []byte, again bool, err error) {
	if n == 0 || n > math.MaxInt64-off {
		return dst, false, s.within(ctx, name, off, n)
	}
	var o minio.GetObjectOptions
	ranged := off > 0 || n > 0
	if ranged {
		end := int64(0) // to the end
		if n > 0 {
			end = off + n - 1
		}
		if err := o.SetRange(off, end); err != nil {
			return dst, false, err
		}
	}
	body, _, header, err := s.core.GetObject(ctx, s.bucket, s.prefix+name, o)
	if r := (minio.ErrorResponse{}); errors.As(err, &r) && r.StatusCode == http.StatusRequestedRangeNotSatisfiable {
		return dst, false, s.within(ctx, name, off, n)
	}
	if err != nil {
		return dst, false, s.failure(err)
	}
	defer body.Close()
	have, err := length(header, ranged, off)
	if err != nil {
		return dst, false, err
	}
	if n > have {
		return dst, false, fmt.Errorf("%d bytes from %d, there are %d: %w", n, off, have, io.ErrUnexpectedEOF)
	}
	if n < 0 {
		n = have
	}
	if got, err = read(body, n, dst); err != nil {
		return dst, true, fmt.Errorf("the answer broke off: %w", err)
	}
	return got, false, nil
}

// within says whether the range is one of the object, for ranges that cannot be asked for.
func (s *Store) within(ctx context.Context, name string, off, n int64) error {
	o, err := s.stat(ctx, name)
	if err != nil {
		return err
	}
	if off > o.Size || n > o.Size-off {
		return fmt.Errorf("%d bytes from %d of %d: %w", n, off, o.Size, io.ErrUnexpectedEOF)
	}
	return nil
}

// length returns how many bytes an answer has.
func length(h http.Header, ranged bool, off int64) (int64, error) {
	n, err := strconv.ParseInt(h.Get("Content-Length"), 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("the service does not say how long its answer is")
	}
	if ranged && !strings.HasPrefix(h.Get("Content-Range"), fmt.Sprintf("bytes %d-", off)) {
		return 0, fmt.Errorf("the service answered with range %q to one from %d", h.Get("Content-Range"), off)
	}
	return n, nil
}

// read appends n bytes to dst. What is allocated keeps to what has come, so that a false length costs little.
func read(from io.Reader, n int64, dst []byte) ([]byte, error) {
	for n > 0 {
		step := int(min(n, growth))
		dst = slices.Grow(dst, step)
		room := dst[len(dst) : len(dst)+step]
		if _, err := io.ReadFull(from, room); err != nil {
			return nil, err
		}
		dst = dst[:len(dst)+step]
		n -= int64(step)
	}
	return dst, nil
}

// Stat implements store.Stater.
func (s *Store) Stat(ctx context.Context, name string) (store.Object, error) {
	if err := ready(ctx, name); err != nil {
		return store.Object{}, fmt.Errorf("stat: %w", err)
	}
	o, err := s.stat(ctx, name)
	if err != nil {
		return o, fmt.Errorf("stat %s: %w", name, err)
	}
	return o, nil
}

func (s *Store) stat(ctx context.Context, name string) (store.Object, error) {
	info, err := s.core.StatObject(ctx, s.bucket, s.prefix+name, minio.StatObjectOptions{})
	if err != nil {
		return store.Object{}, s.failure(err)
	}
	return store.Object{Name: name, Size: info.Size, Modified: info.LastModified}, nil
}

// List implements store.Store. The service lists a thousand objects a request.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[store.Object, error] {
	return func(yield func(store.Object, error) bool) {
		if err := s.list(ctx, prefix, yield); err != nil {
			yield(store.Object{}, fmt.Errorf("list %q: %w", prefix, err))
		}
	}
}

func (s *Store) list(ctx context.Context, prefix string, yield func(store.Object, error) bool) error {
	if err := store.CheckPrefix(prefix); err != nil {
		return err
	}
	last, owner := "", false
	for info := range s.core.ListObjectsIter(ctx, s.bucket, minio.ListObjectsOptions{Prefix: s.prefix + prefix, Recursive: true, FetchOwner: &owner}) {
		if info.Err != nil {
			return s.failure(info.Err)
		}
		name, ours := strings.CutPrefix(info.Key, s.prefix)
		if !ours || store.CheckName(name) != nil {
			continue // somebody else's
		}
		if name <= last {
			return fmt.Errorf("the service lists %s after %s: no vault can be kept there", name, last)
		}
		last = name
		if !yield(store.Object{Name: name, Size: info.Size, Modified: info.LastModified}, nil) {
			return nil
		}
	}
	return ctx.Err() // at which a listing ends without a word
}

// Leftovers implements store.Sweeper: uploads in parts that were begun and not ended. Each is named by its
// object, '?' and the id of the upload.
func (s *Store) Leftovers(ctx context.Context) iter.Seq2[store.Object, error] {
	return func(yield func(store.Object, error) bool) {
		if err := s.leftovers(ctx, yield); err != nil {
			yield(store.Object{}, fmt.Errorf("list uploads: %w", err))
		}
	}
}

func (s *Store) leftovers(ctx context.Context, yield func(store.Object, error) bool) error {
	const page = 1000
	key, upload := "", ""
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		r, err := s.core.ListMultipartUploads(ctx, s.bucket, s.prefix, key, upload, "", page)
		if err != nil {
			return s.failure(err)
		}
		for _, u := range r.Uploads {
			name, ours := strings.CutPrefix(u.Key, s.prefix)
			if !ours || store.CheckName(name) != nil {
				continue
			}
			if !yield(store.Object{Name: name + "?" + u.UploadID, Size: u.Size, Modified: u.Initiated}, nil) {
				return nil
			}
		}
		if !r.IsTruncated || r.NextKeyMarker == key && r.NextUploadIDMarker == upload {
			return nil
		}
		key, upload = r.NextKeyMarker, r.NextUploadIDMarker
	}
}

// Discard implements store.Sweeper.
func (s *Store) Discard(ctx context.Context, leftover string) error {
	name, upload, _ := strings.Cut(leftover, "?")
	if err := ready(ctx, name); err != nil {
		return fmt.Errorf("discard: %w", err)
	}
	err := s.failure(s.core.AbortMultipartUpload(ctx, s.bucket, s.prefix+name, upload))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("discard %s: %w", leftover, err)
	}
	return nil
}
