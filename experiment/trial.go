package experiment

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"varve"
)

// A trial is what runs have in common that differ in nothing but chance: the same code and configuration, data and
// evaluation, started the same way but for the seed. What they left may differ, as weights do.

// sameTrial reports whether two runs are repetitions of one another.
func sameTrial(a, b *Run) bool {
	return a.Setting == b.Setting && maps.Equal(a.Evaluation, b.Evaluation) && maps.Equal(a.Dataset, b.Dataset) &&
		(a.After == b.After || a.Code != "" && a.Code == b.Code)
}

// setting is the digest of how a run was started: its command and its parameters, without its seed.
func setting(r *Run) string {
	parts := []string{fmt.Sprint(len(r.Command))}
	parts = append(parts, seedless(r.Command, r.Seed)...)
	for _, k := range slices.Sorted(maps.Keys(r.Params)) {
		if !isSeed(k) && !strings.HasPrefix(k, "mlflow.") {
			parts = append(parts, k, r.Params[k])
		}
	}
	return digestText(parts...)
}

// isSeed reports whether a parameter, or the last of its names, is a seed.
func isSeed(name string) bool {
	name = strings.ToLower(name[strings.LastIndexAny(name, "./-_")+1:])
	return name == "seed" || name == "state" // random_state
}

// seedless is a command without the seed: the value of a flag that is named for it, and the seed wherever it stands as a
// word.
func seedless(command []string, seed string) []string {
	var word *regexp.Regexp
	if seed != "" {
		word = regexp.MustCompile(`(^|[^\w.])` + regexp.QuoteMeta(seed) + `($|[^\w.])`)
	}
	out := slices.Clone(command)
	for i, arg := range out {
		flag, _, has := strings.Cut(arg, "=")
		switch {
		case strings.ContainsAny(arg, " \n\t"):
			// a script: only the seed itself is told apart
		case has && isSeed(flag):
			out[i] = flag
			continue
		case i > 0 && strings.HasPrefix(command[i-1], "-") && isSeed(command[i-1]):
			out[i] = ""
			continue
		}
		if word != nil {
			out[i] = word.ReplaceAllString(arg, "$1$2")
		}
	}
	return out
}

// code is the digest of the code and configuration of a state: the SHA-256 of the lines "sha256  path\n" of the files
// that a rollback touches by default; "" where that is not known. A run that left the same state has it already.
func (l *Lab) code(ctx context.Context, s *varve.Snapshot) (string, error) {
	same, err := l.Runs(ctx, RunFilter{After: s.ID.String(), bare: true})
	if err != nil {
		return "", err
	}
	for _, r := range same {
		if r.Code != "" {
			return r.Code, nil
		}
	}
	h := sha256.New()
	for e, err := range l.p.List(ctx, s, "", true) {
		if err != nil {
			return "", err
		}
		if e.Type != "file" || !(Scope{}).Holds(e.Path) {
			continue
		}
		if e.SHA256 == "" {
			return "", nil // of a vault that keeps none: only the same state is the same code
		}
		fmt.Fprintf(h, "%s  %s\n", e.SHA256, e.Path)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
