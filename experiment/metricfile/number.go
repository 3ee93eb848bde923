package metricfile

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// exact is the first whole number whose neighbour a float64 cannot hold.
const exact = 1 << 53

// number reads a value as JSON, Python, pandas, R and YAML spell it. What is said of a value that a float64 does not
// hold is in why.
func number(s string) (v float64, why string, ok bool) {
	s = strings.TrimSpace(s)
	if inner, yes := strings.CutPrefix(s, "tensor("); yes { // str() of a PyTorch scalar
		s, _, _ = strings.Cut(strings.TrimSuffix(inner, ")"), ",")
	}
	if !numeric(s) {
		return special(s)
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		if !math.IsInf(v, 0) {
			return 0, "", false
		}
		return v, s + " is beyond a float64: taken as an infinity", true
	}
	if math.Abs(v) >= exact && whole(s) {
		if kept := strconv.FormatFloat(v, 'f', 0, 64); kept != strings.TrimPrefix(s, "+") {
			why = fmt.Sprintf("%s is kept as %s: a float64 does not hold whole numbers above 2^53 exactly", short(s), short(kept))
		}
	}
	return v, why, true
}

// numeric reports whether s has only what a decimal number has: strconv also takes hexadecimal and underscores.
func numeric(s string) bool {
	digits := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			digits = true
		case c == '.' || c == '+' || c == '-' || (c == 'e' || c == 'E') && digits:
		default:
			return false
		}
	}
	return digits
}

func special(s string) (float64, string, bool) {
	switch strings.ToLower(s) {
	case "nan", ".nan", "-nan", "+nan":
		return math.NaN(), "", true
	case "inf", "+inf", "infinity", "+infinity", ".inf", "+.inf":
		return math.Inf(1), "", true
	case "-inf", "-infinity", "-.inf":
		return math.Inf(-1), "", true
	}
	return 0, "", false
}

func whole(s string) bool {
	return strings.Trim(strings.TrimLeft(s, "+-"), "0123456789") == ""
}

// blank is a cell without a value, as pandas and R write and read it. nan is a value here: programs log it.
func blank(s string) bool {
	switch s {
	case "", "NA", "N/A", "n/a", "null", "NULL", "None", "none", "<NA>", "#N/A", "-":
		return true
	}
	return false
}

// integer reads a step: also 100.0 and 1e3, as data frames write whole numbers.
func integer(s string) (int64, bool) {
	s = strings.TrimSpace(s)
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n, true
	}
	v, _, ok := number(s)
	if !ok || v != math.Trunc(v) || math.Abs(v) >= exact {
		return 0, false
	}
	return int64(v), true
}

// moment reads a time: RFC 3339, the ISO forms of Python and SQL (UTC when they name no zone), or a count since 1970 in
// seconds, milli-, micro- or nanoseconds, told apart by size. Small numbers are durations, not moments.
func moment(s string) (time.Time, bool) {
	s = strings.TrimSpace(s)
	if numeric(s) {
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return epoch(n)
		}
		v, err := strconv.ParseFloat(s, 64)
		if err != nil || v < 1e8 || v >= 1e11 {
			return time.Time{}, false
		}
		return seconds(v), true
	}
	if len(s) < 10 || s[4] != '-' {
		return time.Time{}, false
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999", "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

// epoch tells the unit of a count since 1970 by its size: seconds until the year 5138.
func epoch(n int64) (time.Time, bool) {
	switch {
	case n < 1e8:
		return time.Time{}, false
	case n < 1e11:
		return time.Unix(n, 0).UTC(), true
	case n < 1e14:
		return time.UnixMilli(n).UTC(), true
	case n < 1e17:
		return time.UnixMicro(n).UTC(), true
	}
	return time.Unix(0, n).UTC(), true
}

// seconds is a moment as a float64 of seconds since 1970, to the microsecond that such a number still holds.
func seconds(v float64) time.Time {
	return time.UnixMicro(int64(math.Round(v * 1e6))).UTC()
}

// short keeps messages readable whatever a file holds.
func short(s string) string { return upTo(s, 60) }

func upTo(s string, most int) string {
	if len(s) <= most {
		return strings.ToValidUTF8(s, "?")
	}
	return strings.ToValidUTF8(s[:most], "?") + "…"
}
