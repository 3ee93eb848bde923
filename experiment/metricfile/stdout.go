package metricfile

import (
	"regexp"
	"strings"
)

// stdout reads what a program printed: with the caller's patterns, or every name=value and name: value. Escape sequences
// of terminals are passed over; of a progress bar each state is a line.
func (s *source) stdout(name string) (Run, error) {
	b := s.build(titled(name), name, Stdout)
	err := s.lines(name, func(l line) error {
		if l.long {
			b.warn(name, l.n, "longer than %d bytes: only the start is read", s.limits.Line)
		}
		for part := range strings.SplitSeq(unescaped(string(l.text)), "\r") {
			var err error
			if len(s.o.Patterns) > 0 {
				err = b.patterns(name, l.n, part)
			} else {
				err = b.printed(name, l.n, part)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	b.empty()
	return b.done(), err
}

// unescaped is a line without the sequences that move the cursor or colour it.
func unescaped(s string) string {
	if strings.IndexByte(s, 0x1b) < 0 {
		return s
	}
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != 0x1b {
			out.WriteByte(s[i])
			continue
		}
		if i++; i < len(s) && s[i] == '[' {
			for i++; i < len(s) && (s[i] < 0x40 || s[i] > 0x7e); i++ {
			}
		}
	}
	return out.String()
}

// patterns takes the matches of the caller's patterns in a line.
func (b *build) patterns(file string, line int, s string) error {
	for _, re := range b.s.o.Patterns {
		for _, m := range re.FindAllStringSubmatch(s, -1) {
			if err := b.match(file, line, re, m); err != nil {
				return err
			}
		}
	}
	return nil
}

// match takes one match: its groups are roles, keys, or metrics by name.
func (b *build) match(file string, line int, re *regexp.Regexp, m []string) error {
	var r row
	metric, value := "", ""
	var pairs, plain []pair
	for i, group := range re.SubexpNames() {
		if group == "" || m[i] == "" {
			continue
		}
		switch as := b.s.fields.of(group).role; as {
		case asName:
			metric = m[i]
		case asValue:
			value = m[i]
		case asStep, asEpoch, asTime:
			if !r.take(as, m[i]) {
				b.warn(file, line, "%s: %q is none: left out", group, short(m[i]))
			}
		case asKey, asRun:
			if len(m[i]) <= maxKey {
				pairs = append(pairs, pair{group, m[i]})
			}
		default:
			plain = append(plain, pair{group, m[i]})
		}
	}
	r.settle()
	r.keys = b.keys.with(nil, pairs)
	if value != "" {
		if metric == "" {
			metric = "value"
		}
		plain = append(plain, pair{metric, value})
	}
	for _, p := range plain {
		if err := b.value(file, line, &r, p.name, p.value); err != nil {
			return err
		}
	}
	return nil
}

// printed takes every name=value and name: value of a line; the step and the epoch are also found as "Epoch 3/10",
// "step 100".
func (b *build) printed(file string, line int, s string) error {
	var found []pair
	var r row
	for i := 0; i < len(s); {
		if !letter(s[i]) || i > 0 && (inName(s[i-1]) || s[i-1] >= 0x80) {
			i++
			continue
		}
		end := i
		for end < len(s) && inName(s[end]) {
			end++
		}
		name := strings.TrimRight(s[i:end], ".-/@%")
		as := b.s.fields.of(name).role
		rest := s[i+len(name):]
		after := strings.TrimLeft(rest, " \t")
		sign := strings.HasPrefix(after, "=") || strings.HasPrefix(after, ":")
		if sign {
			after = strings.TrimLeft(after[1:], " \t")
		} else if as == asStep || as == asEpoch {
			after = strings.TrimLeft(after, "[(#")
		}
		v, size := leading(after, as == asStep || as == asEpoch)
		if size == 0 || !sign && as != asStep && as != asEpoch {
			i += max(len(name), 1)
			continue
		}
		i = len(s) - len(after) + size
		switch as {
		case asStep, asEpoch:
			r.take(as, v)
		default:
			if !chatter(name) {
				found = append(found, pair{name, v})
			}
		}
	}
	if len(found) == 0 {
		return nil
	}
	r.settle()
	for _, p := range found {
		if err := b.value(file, line, &r, p.name, p.value); err != nil {
			return err
		}
	}
	return nil
}

func letter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' }

func inName(c byte) bool {
	return letter(c) || c >= '0' && c <= '9' || strings.IndexByte("./-@%", c) >= 0
}

// leading is the number at the start of a text, and its length; 0 where what follows makes it something else: a version,
// a time of day, a word. Of a step "3/10" is 3.
func leading(s string, step bool) (string, int) {
	end := 0
	for end < len(s) && (inName(s[end]) || s[end] == '+') {
		end++
	}
	word := s[:end]
	if step {
		if before, _, ok := strings.Cut(word, "/"); ok {
			word = before
		}
	}
	num := strings.TrimRight(word, "%.")
	if strings.HasSuffix(num, "s") && numeric(strings.TrimSuffix(num, "s")) { // 12.5s
		num = strings.TrimSuffix(num, "s")
	}
	if _, _, ok := number(num); !ok || num == "" {
		return "", 0
	}
	if end < len(s) && (s[end] == ':' || s[end] >= 0x80 || s[end] == '(') {
		return "", 0
	}
	return num, end
}

// chatter is a word that stands before a number in logs, and is no metric.
func chatter(name string) bool {
	switch strings.ToLower(name) {
	case "info", "warning", "warn", "error", "debug", "line", "port", "pid", "http", "https", "version", "id", "at", "eta":
		return true
	}
	return false
}
