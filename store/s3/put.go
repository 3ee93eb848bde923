package s3

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"net/http"
	"slices"
	"time"

	"github.com/minio/minio-go/v7"
	"golang.org/x/sync/errgroup"

	"varve/store"
)

const (
	crcHeader       = "X-Amz-Checksum-Crc32c"
	algorithmHeader = "X-Amz-Checksum-Algorithm"
	partsAtOnce     = 4
)

// conflictTries is how often a put is sent again that the service could not decide, for others put the same name.
const conflictTries = 8

// Put implements store.Store.
func (s *Store) Put(ctx context.Context, name string, parts ...[]byte) error {
	if err := ready(ctx, name); err != nil {
		return fmt.Errorf("put: %w", err)
	}
	content := joined(parts)
	for try := 1; ; try++ {
		undecided, err := s.put(ctx, name, content)
		if err == nil {
			return nil
		}
		if !undecided || try == conflictTries {
			return fmt.Errorf("put %s: %w", name, err)
		}
		if err := pause(ctx, try); err != nil {
			return fmt.Errorf("put %s: %w", name, err)
		}
	}
}

func joined(parts [][]byte) []byte {
	if len(parts) == 1 {
		return parts[0]
	}
	return slices.Concat(parts...)
}

// pause waits before the request that follows the one of number try.
func pause(ctx context.Context, try int) error {
	timer := time.NewTimer(min(50*time.Millisecond<<try, time.Second))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// put tries to create the object. undecided says that the service did not look whether it is there.
func (s *Store) put(ctx context.Context, name string, content []byte) (undecided bool, err error) {
	sent := new(attempts)
	counted := context.WithValue(ctx, attemptsKey{}, sent)
	info, err := s.send(counted, s.prefix+name, content)
	if err == nil {
		return false, s.arrived(ctx, name, content, info)
	}
	var r minio.ErrorResponse
	if !errors.As(err, &r) {
		return false, s.failure(err)
	}
	switch r.Code {
	case "ExistingObjectIsDirectory", "ObjectParentIsFile": // services that keep objects as files
		return false, fmt.Errorf("an object is above or below it: %w", store.ErrName)
	}
	switch r.StatusCode {
	case http.StatusPreconditionFailed:
		if sent.Load() > 1 { // one of those that seemed to fail may have put it
			return false, s.ours(ctx, name, content)
		}
		return false, fs.ErrExist
	case http.StatusConflict:
		// Someone else is putting or deleting it. Whoever is told that it exists must find it there.
		_, err := s.stat(ctx, name)
		switch {
		case err == nil && sent.Load() > 1:
			return false, s.ours(ctx, name, content)
		case err == nil:
			return false, fs.ErrExist
		case errors.Is(err, fs.ErrNotExist):
			return true, r
		}
		return false, err
	case http.StatusNotFound:
		if r.Code == minio.NoSuchUpload && s.ours(ctx, name, content) == nil {
			return false, nil // joined by a request that seemed to fail
		}
	case http.StatusNotImplemented:
		return !s.unconditional.Swap(true), s.failure(err)
	}
	return false, s.failure(err)
}

// send uploads content, and returns what the service says of it.
func (s *Store) send(ctx context.Context, key string, content []byte) (minio.UploadInfo, error) {
	o := minio.PutObjectOptions{DisableContentSha256: true} // in pieces; the sum of the whole is signed instead
	if !s.unconditional.Load() {
		o.SetMatchETagExcept("*")
	}
	if s.unconditional.Load() || int64(len(content)) > s.part {
		// The service does not look at all, or perhaps not when the parts are joined.
		if _, err := s.core.StatObject(ctx, s.bucket, key, minio.StatObjectOptions{}); err == nil {
			return minio.UploadInfo{}, minio.ErrorResponse{StatusCode: http.StatusPreconditionFailed, Code: minio.PreconditionFailed}
		}
	}
	if int64(len(content)) > s.part {
		return minio.UploadInfo{}, s.sendParts(ctx, key, content, o)
	}
	o.UserMetadata = map[string]string{crcHeader: crc(content)}
	return s.core.PutObject(ctx, s.bucket, key, bytes.NewReader(content), int64(len(content)), "", sha(content), o)
}

// sendParts uploads content in parts. After an error nothing of them is left, as far as it could be removed.
func (s *Store) sendParts(ctx context.Context, key string, content []byte, o minio.PutObjectOptions) error {
	begin := minio.PutObjectOptions{UserMetadata: map[string]string{algorithmHeader: "CRC32C"}}
	upload, err := s.core.NewMultipartUpload(ctx, s.bucket, key, begin)
	if err != nil {
		return err
	}
	parts := make([]minio.CompletePart, 0, int64(len(content))/s.part+1)
	for piece := range slices.Chunk(content, int(s.part)) {
		parts = append(parts, minio.CompletePart{PartNumber: len(parts) + 1, ChecksumCRC32C: crc(piece)})
	}
	all, within := errgroup.WithContext(ctx)
	all.SetLimit(partsAtOnce)
	for i := range parts {
		p := &parts[i]
		piece := content[int64(i)*s.part : min(int64(i+1)*s.part, int64(len(content)))]
		all.Go(func() error {
			done, err := s.core.PutObjectPart(within, s.bucket, key, upload, p.PartNumber, bytes.NewReader(piece), int64(len(piece)),
				minio.PutObjectPartOptions{Sha256Hex: sha(piece), DisableContentSha256: true, CustomHeader: http.Header{crcHeader: {p.ChecksumCRC32C}}})
			p.ETag = done.ETag
			return err
		})
	}
	if err = all.Wait(); err == nil {
		if n, ok := ctx.Value(attemptsKey{}).(*attempts); ok {
			n.Store(0) // only a request to join the parts creates the object
		}
		_, err = s.core.CompleteMultipartUpload(ctx, s.bucket, key, upload, parts, o)
	}
	if err != nil {
		_ = s.core.AbortMultipartUpload(context.WithoutCancel(ctx), s.bucket, key, upload) // else it is a leftover
	}
	return err
}

// arrived makes sure that what the service has is what was sent. An entity tag is the MD5 of the content at most
// services, and then as good a sign.
func (s *Store) arrived(ctx context.Context, name string, content []byte, info minio.UploadInfo) error {
	if sum := info.ChecksumCRC32C; sum != "" {
		if sum != crc(content) {
			return fmt.Errorf("the service has it with the CRC-32C %s instead of %s", sum, crc(content))
		}
		return nil
	}
	if sum := md5.Sum(content); info.ETag == hex.EncodeToString(sum[:]) {
		return nil
	}
	o, err := s.stat(ctx, name)
	if err != nil {
		return fmt.Errorf("look at what arrived: %w", err)
	}
	if o.Size != int64(len(content)) {
		return fmt.Errorf("%d bytes arrived of %d", o.Size, len(content))
	}
	return nil
}

// ours tells an object that a request put whose answer was lost from one of somebody else.
func (s *Store) ours(ctx context.Context, name string, content []byte) error {
	there, err := s.Get(ctx, name, 0, -1, nil)
	if err != nil {
		return err
	}
	if !bytes.Equal(there, content) {
		return fs.ErrExist
	}
	return nil
}

func sha(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func crc(b []byte) string {
	sum := crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, sum))
}

var _ store.Sweeper = (*Store)(nil)
