// Package s3 keeps a vault's objects in a bucket of any service that speaks the S3 protocol.
//
// It promises what package store does, as far as the service lets it: an object is put with one conditional
// request (If-None-Match: *), which a service either honours or not. store.Probe finds that out, and a vault in
// a bucket of a service that does not is made for one writer at a time. A request that the service has
// acknowledged is durable, so there is nothing for Barrier to do.
//
// Every upload carries the CRC-32C of its bytes, for the service to keep and to compare, and a SHA-256 that is
// signed with the request. Where the service repeats neither the CRC-32C nor an MD5, the size of what arrived is asked
// for.
//
// Requests that fail in ways that pass are sent again, with growing pauses. When it is not known what became of
// a request that put an object, and the next one says that the object is there, the object is read: if it holds
// what was to be put, it was put.
//
// In the bucket the key of an object is the store's prefix, a slash, and the object's name; its content is the
// object's bytes, nothing added. Large objects are uploaded in parts; uploads that a crash has left are what
// Leftovers yields.
package s3

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/s3utils"

	"varve/store"
)

// Options say where a bucket is and who asks.
type Options struct {
	Endpoint string // HOST or HOST:PORT
	Insecure bool   // plain HTTP
	Bucket   string
	Prefix   string // of keys, without the slash that ends it; may be empty
	Region   string // "": us-east-1, or the one that an Amazon endpoint names
	Style    Style
	CA       string // a file of PEM certificates that are trusted besides the system's
	Key      Key
	// Tries is how often a request is sent before it has failed; 0: 10, over about 5 seconds.
	Tries int
	// PartSize is the size in bytes from which an object is uploaded in parts, and of each of them; 0: 64 MiB.
	// Services refuse parts below 5 MiB.
	PartSize int64
}

// Key is who asks. The first of these that is given counts; none: requests are not signed.
type Key struct {
	ID, Secret, Token string // Token: of a session, mostly empty
	File, Profile     string // a file as that of Amazon's tools, and the section of it
	Machine           bool   // the role that Amazon gave this machine
}

// Style is how a request names the bucket.
type Style string

// The styles.
const (
	Auto    Style = ""
	Path    Style = "path"    // https://HOST/BUCKET/KEY
	Virtual Style = "virtual" // https://BUCKET.HOST/KEY
)

const (
	defaultTries = 10
	defaultPart  = 64 << 20
	smallestPart = 5 << 20
	idleConns    = 64 // connections kept to the service: as many as requests are under way
)

// Parse reads s3://HOST[:PORT]/BUCKET[/PREFIX][?region=…&style=path|virtual&ca=FILE&insecure=1]. The scheme
// s3+http is s3 with insecure=1.
func Parse(text string) (Options, error) {
	u, err := url.Parse(text)
	if err != nil {
		return Options{}, err
	}
	o := Options{Endpoint: u.Host, Insecure: u.Scheme == "s3+http"}
	if u.Scheme != "s3" && u.Scheme != "s3+http" {
		return o, fmt.Errorf("scheme %q is not s3", u.Scheme)
	}
	if u.User != nil {
		return o, errors.New("a key has no place in an address, which is shown and kept: use the environment or a file")
	}
	o.Bucket, o.Prefix, _ = strings.Cut(strings.Trim(u.Path, "/"), "/")
	if o.Endpoint == "" || o.Bucket == "" {
		return o, errors.New("want s3://HOST/BUCKET/PREFIX")
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return o, err
	}
	for name, values := range query {
		switch value := values[len(values)-1]; name {
		case "region":
			o.Region = value
		case "style":
			o.Style = Style(value)
		case "ca":
			o.CA = value
		case "insecure":
			o.Insecure = o.Insecure || value == "1" || value == "true"
		default:
			return o, fmt.Errorf("unknown parameter %q: there are region, style, ca and insecure", name)
		}
	}
	return o, o.check()
}

func (o *Options) check() error {
	if err := s3utils.CheckValidBucketName(o.Bucket); err != nil {
		return fmt.Errorf("bucket %q: %w", o.Bucket, err)
	}
	const longestKey = 1024
	if len(o.Prefix) > longestKey-store.MaxName-1 {
		return fmt.Errorf("prefix of %d bytes: the longest is %d", len(o.Prefix), longestKey-store.MaxName-1)
	}
	for element := range strings.SplitSeq(o.Prefix, "/") {
		if o.Prefix != "" && (element == "" || element == "." || element == "..") {
			return fmt.Errorf("prefix %q: an element is %q", o.Prefix, element)
		}
	}
	switch o.Style {
	case Auto, Path, Virtual:
	default:
		return fmt.Errorf("style %q: there are %s and %s", o.Style, Path, Virtual)
	}
	if o.PartSize != 0 && o.PartSize < smallestPart {
		return fmt.Errorf("parts of %d bytes: the smallest are %d", o.PartSize, smallestPart)
	}
	return nil
}

// Amazon reports whether the endpoint is one of Amazon's own.
func (o *Options) Amazon() bool { return s3utils.IsAmazonEndpoint(url.URL{Host: o.Endpoint}) }

// Store is a bucket, or what is below a prefix in it. It is safe for concurrent use.
type Store struct {
	core   *minio.Core
	bucket string
	prefix string // of keys; empty or with the slash
	tries  int
	part   int64

	// unconditional: the service refused a conditional request as such.
	unconditional atomic.Bool
}

// New returns the store that o describes, and sends nothing.
func New(o Options) (*Store, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	transport, err := newTransport(o)
	if err != nil {
		return nil, err
	}
	s := &Store{bucket: o.Bucket, tries: o.Tries, part: o.PartSize}
	if o.Prefix != "" {
		s.prefix = o.Prefix + "/"
	}
	if s.tries == 0 {
		s.tries = defaultTries
	}
	if s.part == 0 {
		s.part = defaultPart
	}
	if o.Region == "" && !o.Amazon() {
		o.Region = "us-east-1" // what services without regions answer to; asking would cost a request
	}
	lookup := minio.BucketLookupAuto
	switch o.Style {
	case Path:
		lookup = minio.BucketLookupPath
	case Virtual:
		lookup = minio.BucketLookupDNS
	}
	s.core, err = minio.NewCore(o.Endpoint, &minio.Options{
		Creds: o.Key.credentials(), Secure: !o.Insecure, Transport: counting{transport},
		Region: o.Region, BucketLookup: lookup, MaxRetries: s.tries,
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (k Key) credentials() *credentials.Credentials {
	switch {
	case k.ID != "":
		return credentials.NewStaticV4(k.ID, k.Secret, k.Token)
	case k.File != "":
		return credentials.NewFileAWSCredentials(k.File, k.Profile)
	case k.Machine:
		return credentials.NewIAM("")
	}
	return credentials.NewStatic("", "", "", credentials.SignatureAnonymous)
}

func newTransport(o Options) (*http.Transport, error) {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost, t.MaxIdleConns = idleConns, idleConns
	t.ResponseHeaderTimeout = time.Minute
	t.DisableCompression = true // the bytes of an object are what they are
	if o.CA == "" {
		return t, nil
	}
	pem, err := os.ReadFile(o.CA)
	if err != nil {
		return nil, fmt.Errorf("certificates: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool() // a system without a list of its own
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("certificates: %s has none", o.CA)
	}
	t.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	return t, nil
}

// attempts counts the requests that a call has sent. It is a value of the call's context.
type attempts struct{ atomic.Int32 }

type attemptsKey struct{}

// counting counts requests.
type counting struct{ http.RoundTripper }

func (c counting) RoundTrip(r *http.Request) (*http.Response, error) {
	if n, ok := r.Context().Value(attemptsKey{}).(*attempts); ok {
		n.Add(1)
	}
	return c.RoundTripper.RoundTrip(r)
}

// Describe implements store.Described. A service that has refused a conditional request does not create
// only what is absent, however its races end.
func (s *Store) Describe() store.Traits {
	return store.Traits{CreateIfAbsent: !s.unconditional.Load(), ListsAtOnce: true, Deletes: true, Durable: true}
}

// Barrier implements store.Store: what the service has acknowledged is durable.
func (s *Store) Barrier(ctx context.Context) error { return ctx.Err() }

// Settle implements store.Settler: the same is true of what others put.
func (s *Store) Settle(ctx context.Context) error { return ctx.Err() }

// Delete implements store.Store.
func (s *Store) Delete(ctx context.Context, name string) error {
	if err := ready(ctx, name); err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	err := s.failure(s.core.RemoveObject(ctx, s.bucket, s.prefix+name, minio.RemoveObjectOptions{}))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("delete %s: %w", name, err)
	}
	return nil
}

// ready refuses a bad name and a context that is done.
func ready(ctx context.Context, name string) error {
	if err := store.CheckName(name); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// failure says what an error of a request means, in the words of package store.
func (s *Store) failure(err error) error {
	var unknown x509.UnknownAuthorityError
	if errors.As(err, &unknown) {
		return fmt.Errorf("%w: add ?ca=FILE to the address if the service has a certificate of its own", err)
	}
	var r minio.ErrorResponse
	if err == nil || !errors.As(err, &r) {
		return err
	}
	switch r.Code {
	case "NoSuchBucket":
		return fmt.Errorf("there is no bucket %s at the service: make it with the service's own tools", s.bucket)
	case "AuthorizationHeaderMalformed", "InvalidRegion", "PermanentRedirect":
		if r.Region != "" {
			return fmt.Errorf("the bucket is in region %s: add ?region=%s to the address (%w)", r.Region, r.Region, err)
		}
		return fmt.Errorf("the bucket may be in another region: add ?region=… to the address (%w)", err)
	case "InvalidAccessKeyId", "SignatureDoesNotMatch":
		return fmt.Errorf("the service does not take the key: %w (%w)", err, fs.ErrPermission)
	}
	switch r.StatusCode {
	case http.StatusNotFound:
		return fmt.Errorf("%w (%s)", fs.ErrNotExist, r.Code)
	case http.StatusForbidden, http.StatusUnauthorized:
		return fmt.Errorf("%w: %w", fs.ErrPermission, err)
	}
	return err
}
