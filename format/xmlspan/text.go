package xmlspan

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxEntity bounds what a document's own entities stand for.
const maxEntity = 4 << 10

// entities returns what the declarations <!ENTITY name "value"> of a doctype say.
func entities(doctype string) map[string]string {
	out := map[string]string{}
	for len(out) < 1<<10 {
		_, after, ok := strings.Cut(doctype, "<!ENTITY")
		if !ok {
			break
		}
		doctype = after
		name, value, ok := strings.Cut(strings.TrimLeft(after, " \t\r\n"), " ")
		value = strings.TrimLeft(value, " \t\r\n")
		if !ok || value == "" || value[0] != '"' && value[0] != '\'' {
			continue // of a parameter, or from outside
		}
		if n := strings.IndexByte(value[1:], value[0]); n >= 0 && n <= maxEntity {
			out[name] = value[1 : 1+n]
		}
	}
	return out
}

// Unescape returns what characters with entities mean.
func (d *Document) Unescape(raw []byte) string {
	if d.latin1 {
		raw = fromLatin1(raw)
	}
	at := bytes.IndexByte(raw, '&')
	if at < 0 {
		return string(raw)
	}
	out := make([]byte, 0, len(raw))
	budget := maxEntity * 4 // beside the text's own length: what entities add
	for {
		out = append(out, raw[:at]...)
		raw = raw[at:]
		n := bytes.IndexByte(raw[:min(len(raw), 64)], ';')
		means, ok := "", false
		if n > 0 {
			means, ok = d.entity(string(raw[1:n]))
		}
		if ok && len(means) <= budget {
			budget -= len(means)
			out, raw = append(out, means...), raw[n+1:]
		} else {
			out, raw = append(out, '&'), raw[1:]
		}
		if at = bytes.IndexByte(raw, '&'); at < 0 {
			return string(append(out, raw...))
		}
	}
}

func (d *Document) entity(name string) (string, bool) {
	switch name {
	case "lt":
		return "<", true
	case "gt":
		return ">", true
	case "amp":
		return "&", true
	case "quot":
		return `"`, true
	case "apos":
		return "'", true
	}
	if strings.HasPrefix(name, "#") {
		digits, radix := name[1:], 10
		if strings.HasPrefix(digits, "x") || strings.HasPrefix(digits, "X") {
			digits, radix = digits[1:], 16
		}
		n, err := strconv.ParseUint(digits, radix, 32)
		if err != nil || n > utf8.MaxRune {
			return "", false
		}
		return string(rune(n)), true
	}
	s, ok := d.entities[name]
	return s, ok
}

func fromLatin1(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for _, c := range b {
		out = utf8.AppendRune(out, rune(c))
	}
	return out
}

// Escape returns characters as they may stand in text and in a quoted value.
func Escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&apos;").Replace(s)
}

// Fits reports whether raw may stand in a value between either kind of quote and in text.
func Fits(raw string) bool {
	if strings.ContainsAny(raw, "<>\"'") || strings.ContainsFunc(raw, func(r rune) bool { return r < ' ' }) {
		return false
	}
	for _, after := range strings.Split(raw, "&")[1:] {
		if n := strings.IndexByte(after, ';'); n <= 0 || strings.ContainsAny(after[:n], " &=/?") {
			return false
		}
	}
	return true
}
