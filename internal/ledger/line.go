package ledger

import "encoding/json"

// appendLine appends the record as a line of JSON.
func (r *Record) appendLine(b []byte) ([]byte, error) {
	line, err := json.Marshal(r)
	if err != nil {
		return b, err
	}
	return append(append(b, line...), '\n'), nil
}
