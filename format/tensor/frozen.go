package tensor

import (
	"errors"
	"fmt"
)

// Frozen is what became of tensors that should not have changed.
type Frozen struct {
	Pattern string
	Matched int      // tensors of that name, in either file
	Broken  []string // those that are not as they were
}

// frozen checks patterns of names.
func frozen(pairs []Pair, patterns []string) []Frozen {
	var out []Frozen
	for _, pattern := range patterns {
		f := Frozen{Pattern: pattern}
		for i := range pairs {
			if glob(pattern, pairs[i].Name) {
				f.Matched++
				if pairs[i].Verdict != Unchanged {
					f.Broken = append(f.Broken, pairs[i].Name)
				}
			}
		}
		out = append(out, f)
	}
	return out
}

// glob matches a name with a pattern: * is any text, ? any one byte.
func glob(pattern, name string) bool {
	star, from := -1, 0
	i, j := 0, 0
	for j < len(name) {
		switch {
		case i < len(pattern) && pattern[i] == '*':
			star, from = i, j
			i++
		case i < len(pattern) && (pattern[i] == '?' || pattern[i] == name[j]):
			i++
			j++
		case star >= 0:
			from++
			i, j = star+1, from
		default:
			return false
		}
	}
	for i < len(pattern) && pattern[i] == '*' {
		i++
	}
	return i == len(pattern)
}

func unsupported(text string, args ...any) error {
	return fmt.Errorf("%s: %w", fmt.Sprintf(text, args...), errors.ErrUnsupported)
}
