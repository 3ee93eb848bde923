package main

import (
	"context"
	"errors"
	"path/filepath"
	"strings"

	"varve"
	"varve/store"
	"varve/store/s3"
	"varve/store/sftp"
)

// remote reports whether a vault's place is the address of one on another machine.
func remote(place string) bool {
	scheme, _, ok := strings.Cut(place, "://")
	return ok && (scheme == "s3" || scheme == "s3+http" || scheme == "sftp")
}

// remoteStore returns the store at an address. Nothing is sent yet.
func (e *env) remoteStore(place string) (store.Store, error) {
	if strings.HasPrefix(place, "sftp:") {
		o, err := sftp.Parse(place)
		if err != nil {
			return nil, usage("sftp://USER@HOST[:PORT]/PATH, or /~/PATH below the home there", "vault %q: %w", place, err)
		}
		e.fillSFTP(&o)
		return sftp.New(o), nil
	}
	o, err := s3.Parse(place)
	if err != nil {
		return nil, usage("s3://HOST[:PORT]/BUCKET/PREFIX?region=…&style=path|virtual&ca=FILE", "vault %q: %w", place, err)
	}
	if err := e.fillS3(&o); err != nil {
		return nil, err
	}
	s, err := s3.New(o)
	if err != nil {
		return nil, usage("", "vault %q: %w", place, err)
	}
	return s, nil
}

// fillSFTP adds what an address leaves open: the user, the keys, the known hosts.
func (e *env) fillSFTP(o *sftp.Options) {
	if o.User == "" {
		o.User = e.userName
	}
	for i, file := range o.Identities {
		o.Identities[i] = e.abs(file)
	}
	dir := filepath.Join(e.home, ".ssh")
	if len(o.Identities) == 0 {
		o.Agent = e.getenv("SSH_AUTH_SOCK")
		for _, name := range []string{"id_ed25519", "id_ecdsa", "id_rsa"} {
			o.Identities = append(o.Identities, filepath.Join(dir, name))
		}
	}
	o.KnownHosts = []string{filepath.Join(dir, "known_hosts"), filepath.Join(dir, "known_hosts2")}
	if e.goos != "windows" {
		o.KnownHosts = append(o.KnownHosts, "/etc/ssh/ssh_known_hosts")
	}
}

// fillS3 adds what an address leaves open: the region and the key, from where Amazon's tools look for them.
func (e *env) fillS3(o *s3.Options) error {
	for _, name := range []string{"AWS_REGION", "AWS_DEFAULT_REGION"} {
		if o.Region == "" {
			o.Region = e.getenv(name)
		}
	}
	if o.CA == "" {
		o.CA = e.getenv("AWS_CA_BUNDLE")
	}
	if o.CA != "" {
		o.CA = e.abs(o.CA)
	}
	k := s3.Key{ID: e.getenv("AWS_ACCESS_KEY_ID"), Secret: e.getenv("AWS_SECRET_ACCESS_KEY"), Token: e.getenv("AWS_SESSION_TOKEN")}
	k.File, k.Profile = e.getenv("AWS_SHARED_CREDENTIALS_FILE"), e.getenv("AWS_PROFILE")
	if e.s3File != "" || e.s3Profile != "" {
		k = s3.Key{File: e.s3File, Profile: e.s3Profile}
	}
	if k.Profile == "" {
		k.Profile = "default"
	}
	if k.File == "" {
		k.File = filepath.Join(e.home, ".aws", "credentials")
	} else {
		k.File = e.abs(k.File)
	}
	if k.ID == "" && !exists(k.File) {
		if e.s3File != "" || e.s3Profile != "" || !o.Amazon() {
			return usage("set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a file with --s3-credentials",
				"vault at %s: there is no key for the service: no variables, and no %s", o.Endpoint, name(k.File))
		}
		k = s3.Key{Machine: true}
	}
	o.Key = k
	return nil
}

// openRemote opens the vault at an address, or makes it where create allows.
func (e *env) openRemote(ctx context.Context, place string, create bool) (*varve.Vault, bool, error) {
	s, err := e.remoteStore(place)
	if err != nil {
		return nil, false, err
	}
	opt := e.options()
	v, made, err := varve.OpenStore(ctx, s, false, opt)
	if create && errors.Is(err, varve.ErrNoVault) {
		opt.NewPassphrase = func() ([]byte, error) { return e.passphraseForNew(place) }
		v, made, err = varve.OpenStore(ctx, s, true, opt)
	}
	return v, made, err
}
