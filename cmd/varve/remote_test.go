package main

import (
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"varve/store/remotetest"
)

// TestRemote runs the scripts of testdata/remote against an S3 service, one that honours no conditions, and an SSH
// host, all of this process.
func TestRemote(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the host serves paths of a POSIX system: not run on Windows")
	}
	good := remotetest.Fake(t, nil)
	weak := remotetest.Fake(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Header.Del("If-None-Match")
			h.ServeHTTP(w, r)
		})
	})
	host := remotetest.Listen(t, remotetest.Library)
	testscript.Run(t, testscript.Params{
		Dir: "testdata/remote",
		Setup: func(env *testscript.Env) error {
			for _, name := range []string{"HOME", "USERPROFILE"} {
				env.Setenv(name, env.WorkDir)
			}
			env.Setenv("XDG_DATA_HOME", filepath.Join(env.WorkDir, "data"))
			env.Setenv("XDG_CACHE_HOME", filepath.Join(env.WorkDir, "cache"))
			env.Setenv("TZ", "UTC")
			env.Setenv("AWS_ACCESS_KEY_ID", remotetest.KeyID)
			env.Setenv("AWS_SECRET_ACCESS_KEY", remotetest.Secret)
			env.Setenv("S3", "s3+http://"+good.Endpoint+"/"+remotetest.Bucket)
			env.Setenv("S3HOST", "s3://"+good.Endpoint)
			env.Setenv("WEAK", "s3+http://"+weak.Endpoint+"/"+remotetest.Bucket)
			env.Setenv("SFTP", "sftp://"+host.Options.User+"@"+host.Options.Host)
			ssh := filepath.Join(env.WorkDir, ".ssh")
			if err := os.Mkdir(ssh, 0o700); err != nil {
				return err
			}
			if err := copyFile(host.Options.Identities[0], filepath.Join(ssh, "id_ed25519")); err != nil {
				return err
			}
			return copyFile(host.Options.KnownHosts[0], filepath.Join(ssh, "known_hosts"))
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"code": code, "jsonhas": jsonHas, "json": jsonIs},
	})
}

func copyFile(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o600)
}
