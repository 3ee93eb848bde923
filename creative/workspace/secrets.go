package workspace

import (
	"bytes"
	"math"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// What is taken out of a text leaves this, which no restore writes.
const redacted = "\u00abtaken out by varve\u00bb"

// maxText is the size up to which a file is looked at for secrets; larger texts are none that people set by hand.
const maxText = 2 << 20

// names are parts of the names of settings whose values are secrets.
var names = regexp.MustCompile(`(?i)(passw(or)?d|passphrase|secret|api[_-]?key|access[_-]?key|auth[_-]?token|access[_-]?token|refresh[_-]?token|bearer|credential|private[_-]?key|client[_-]?id|licen[cs]e[_-]?(key|code|number)?|serial[_-]?(number|key|no)?|activation|keystore[_-]?pass|(^|[^a-z])token)`)

// setting is a line that gives a name a value: name = value, "name": "value", <name>value</name>, name value in MEL's
// optionVar -sv "name" "value".
var setting = regexp.MustCompile(`^(\s*(?:export\s+|set\s+|-sv\s+)?["'<]?)([A-Za-z0-9_.:/\\\- ]{1,120}?)(["'>]?\s*(?:[=:]|\s)\s*["']?|>)([^"'<>\r\n,;]{1,1000})`)

// shaped are secrets whose shape says what they are, whatever they are called.
var shaped = regexp.MustCompile(`\b(gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,}|glpat-[A-Za-z0-9_\-]{18,}|sk-[A-Za-z0-9_\-]{20,}|xox[abprs]-[A-Za-z0-9\-]{10,}|AKIA[0-9A-Z]{16}|AIza[0-9A-Za-z_\-]{35}|hf_[A-Za-z0-9]{30,}|eyJ[A-Za-z0-9_\-]{10,}\.[A-Za-z0-9_\-]{10,}\.[A-Za-z0-9_\-]{6,})`)

// runs are values that may be random: of more than longest characters they are data, as the states of windows are.
var runs = regexp.MustCompile(`[A-Za-z0-9+/_\-]{40,}={0,2}`)

const longest = 160

// isText reports whether b is a text of a size that people's settings have.
func isText(b []byte) bool {
	return len(b) <= maxText && utf8.Valid(b) && !bytes.ContainsRune(b, 0)
}

// hasKey reports whether b is a private key.
func hasKey(b []byte) bool {
	return bytes.Contains(b, []byte("-----BEGIN ")) && bytes.Contains(b, []byte("PRIVATE KEY-----"))
}

// redact takes the secrets out of a text and says in how many places. keys are names whose values are secrets, too.
func redact(b []byte, keys []string) ([]byte, int) {
	if !isText(b) {
		return b, 0
	}
	count := 0
	var out []string
	for line := range strings.Lines(string(b)) {
		clean := redactLine(line, keys)
		if clean != line {
			count++
		}
		out = append(out, clean)
	}
	if count == 0 {
		return b, 0
	}
	return []byte(strings.Join(out, "")), count
}

func redactLine(line string, keys []string) string {
	if m := setting.FindStringSubmatchIndex(line); m != nil {
		name, value := strings.TrimSpace(line[m[4]:m[5]]), strings.TrimSpace(line[m[8]:m[9]])
		secret := slices.ContainsFunc(keys, func(k string) bool {
			return strings.EqualFold(k, name) || strings.HasSuffix(strings.ToLower(name), "/"+strings.ToLower(k))
		})
		if value != "" && (secret || names.MatchString(name) && !harmless(value)) {
			return line[:m[8]] + redacted + line[m[9]:]
		}
	}
	line = shaped.ReplaceAllString(line, redacted)
	return runs.ReplaceAllStringFunc(line, func(s string) string {
		if len(s) <= longest && random(s) {
			return redacted
		}
		return s
	})
}

// harmless are values that are no secret whatever their name says.
func harmless(value string) bool {
	switch strings.ToLower(value) {
	case "true", "false", "yes", "no", "on", "off", "0", "1", "null", "none", "nil":
		return true
	}
	return false
}

// random reports whether a text looks drawn by chance: of capitals, small letters and digits, with no pattern to them.
// Digests, in hex, and paths are not meant.
func random(s string) bool {
	var counts [256]int
	upper, lower, digits := false, false, false
	for i := range len(s) {
		counts[s[i]]++
		upper = upper || s[i] >= 'A' && s[i] <= 'Z'
		lower = lower || s[i] >= 'a' && s[i] <= 'z'
		digits = digits || s[i] >= '0' && s[i] <= '9'
	}
	if !upper || !lower || !digits || strings.Count(s, "/") > len(s)/20 {
		return false
	}
	bits := 0.0
	for _, n := range counts {
		if n > 0 {
			p := float64(n) / float64(len(s))
			bits -= p * math.Log2(p)
		}
	}
	return bits >= 4.6
}

// merge puts the secrets that are on the machine into a text whose own were taken out: of a line that is the same but for
// that. What the machine has not stays out, and is counted.
func merge(kept, live []byte) (out []byte, missing int) {
	lines := map[string]string{}
	for line := range strings.Lines(string(live)) {
		if m := setting.FindStringSubmatchIndex(line); m != nil {
			lines[line[:m[8]]] = line
		}
	}
	var b strings.Builder
	for line := range strings.Lines(string(kept)) {
		before, _, ok := strings.Cut(line, redacted)
		if !ok {
			b.WriteString(line)
			continue
		}
		if now, ok := lines[before]; ok {
			b.WriteString(now)
			continue
		}
		missing++
		b.WriteString(strings.ReplaceAll(line, redacted, ""))
	}
	return []byte(b.String()), missing
}
