package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"varve"
	"varve/internal/disk"
)

func doctorVerb(e *env) *cobra.Command {
	return &cobra.Command{
		Use: "doctor", Short: "Look for what is wrong with the set-up, and advise", GroupID: "care",
		Long: "Looks at vault, key, space, clock, cache and the last check. Exit code 1 if something must be done.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return e.doctor(cmd.Context()) },
	}
}

// complaint is what the doctor found of one thing. state is ok, advice or wrong.
type complaint struct {
	Name   string `json:"name"`
	State  string `json:"state"`
	Text   string `json:"text"`
	Advice string `json:"advice"`
}

type doctorJSON struct {
	Schema string      `json:"schema"`
	OK     bool        `json:"ok"`
	Checks []complaint `json:"checks"`
}

const (
	lowSpace    = 1 << 30 // bytes
	staleVerify = 30 * 24 * time.Hour
)

func (e *env) doctor(ctx context.Context) error {
	j := doctorJSON{Schema: "varve.doctor/1", OK: true}
	add := func(c complaint) {
		j.Checks = append(j.Checks, c)
		j.OK = j.OK && c.State != "wrong"
	}
	path, _, err := e.vaultPath()
	if err != nil {
		return err
	}
	v, _, err := e.openVault(ctx, false)
	if err != nil && ctx.Err() != nil {
		return err
	}
	add(examineVault(path, err))
	if v != nil {
		add(examineKey(ctx, v))
		add(examineHistory(ctx, v))
		add(examineSpace(path))
		if why := v.Info().ReducedSafety; why != "" {
			add(complaint{"safety", "advice", why, "keep the vault at a service that honours conditional requests (If-None-Match)"})
		}
		add(e.examineClock(v))
		add(e.examineVerify(v))
	}
	add(e.examineCache())
	if root, ok := e.projectRoot(); ok {
		add(examineDevice(root, path))
	}
	if e.json {
		err = e.emit(j)
	} else {
		err = nil
		for _, c := range j.Checks {
			e.printf("%-6s  %-7s  %s\n", c.State, c.Name, lines(c.Text))
			if c.Advice != "" {
				e.printf("                 → %s\n", c.Advice)
			}
		}
	}
	if err == nil && !j.OK {
		return outcome(exitFailed)
	}
	return err
}

func examineVault(path string, err error) complaint {
	if err == nil {
		return complaint{"vault", "ok", path, ""}
	}
	return complaint{"vault", "wrong", err.Error(), advice(err)}
}

func examineKey(ctx context.Context, v *varve.Vault) complaint {
	w, err := waysIn(ctx, v)
	switch {
	case err != nil:
		return complaint{"key", "wrong", err.Error(), advice(err)}
	case w.damaged > 0:
		return complaint{"key", "wrong", w.String() + "; " + count(w.damaged) + " that opens nothing", "varve key ls says which; varve key rm removes it"}
	case w.used == varve.KeyStored:
		return complaint{"key", "ok", w.String(), "who reads the vault's folder can read what is kept; varve key protect gives it a passphrase"}
	case w.kits == 0:
		return complaint{"key", "advice", w.String(), "who forgets the passphrase loses everything: varve key kit"}
	}
	return complaint{"key", "ok", w.String(), ""}
}

func examineHistory(ctx context.Context, v *varve.Vault) complaint {
	lost, err := v.Rollback(ctx)
	if err != nil {
		return complaint{"history", "wrong", err.Error(), advice(err)}
	}
	if err := lost.Err(); err != nil {
		return complaint{"history", "wrong", err.Error(), "bring it back from another copy of the vault; varve status lists what is gone"}
	}
	return complaint{"history", "ok", "no snapshot is missing", ""}
}

func examineSpace(path string) complaint {
	if remote(path) {
		return complaint{"space", "ok", "not known", ""}
	}
	d, err := disk.Open(path)
	if err != nil {
		return complaint{"space", "wrong", cause(err).Error(), "look at who may read the vault's folder"}
	}
	defer d.Close()
	free, err := disk.Free(d)
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return complaint{"space", "ok", "not known", ""}
	case err != nil:
		return complaint{"space", "wrong", err.Error(), ""}
	case free < lowSpace:
		return complaint{"space", "wrong", size(free) + " free", "free some, or keep the vault elsewhere"}
	}
	return complaint{"space", "ok", size(free) + " free", ""}
}

// examineClock holds the clock against the times of snapshots: one from the future says that one of two
// clocks was wrong. Nothing is lost by it, but references by time lead astray.
func (e *env) examineClock(v *varve.Vault) complaint {
	for _, info := range v.Projects() {
		if ahead := info.Last.Time.Sub(e.now()); ahead > time.Minute {
			return complaint{"clock", "wrong", fmt.Sprintf("%s of %s is from the future, by %s", info.Last.Ref(), name(info.Name), lasting(ahead)), "set the clock; until then name snapshots by number, not by time"}
		}
	}
	return complaint{"clock", "ok", stamp(e.now(), e.now()), ""}
}

func (e *env) examineVerify(v *varve.Vault) complaint {
	t, ok := v.LastVerified()
	switch {
	case !ok:
		return complaint{"verify", "advice", "the vault was never read through", "varve verify --data"}
	case e.now().Sub(t) > staleVerify:
		return complaint{"verify", "advice", "last read through " + age(t, e.now()), "varve verify --data"}
	}
	return complaint{"verify", "ok", "read through " + age(t, e.now()), ""}
}

func (e *env) examineCache() complaint {
	d, err := disk.Create(e.cacheDir())
	if err != nil {
		return complaint{"cache", "advice", err.Error(), "without a cache every file is read again"}
	}
	defer d.Close()
	return complaint{"cache", "ok", e.cacheDir(), ""}
}

func examineDevice(root, path string) complaint {
	if sameDevice(root, path) {
		return complaint{"disk", "advice", "project and vault are on one disk", "it protects from mistakes, not from a dead disk; name a vault on another with --vault"}
	}
	return complaint{"disk", "ok", "project and vault are on different disks", ""}
}
