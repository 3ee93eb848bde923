package mlflow

import (
	"encoding/json"
	"errors"
	"math"
	"mime"
	"net/http"
	"strconv"
	"strings"
)

// A whole is a whole number, which Protocol Buffers write into JSON as a string.
type whole int64

func (n *whole) UnmarshalJSON(b []byte) error {
	s := strings.Trim(string(b), `"`)
	if s == "null" || s == "" {
		return nil
	}
	v, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		f, bad := strconv.ParseFloat(s, 64)
		if bad != nil || f != math.Trunc(f) || math.Abs(f) >= 1<<53 {
			return errors.New(strconv.Quote(s) + " is no whole number")
		}
		v = int64(f)
	}
	*n = whole(v)
	return nil
}

func (n whole) MarshalJSON() ([]byte, error) { return strconv.AppendInt(nil, int64(n), 10), nil }

// A float is a number; NaN and the infinities are strings in JSON.
type float float64

func (f *float) UnmarshalJSON(b []byte) error {
	s := strings.Trim(string(b), `"`)
	if strings.ContainsAny(s, "xX_pP") {
		return errors.New(strconv.Quote(s) + " is no number")
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return errors.New(strconv.Quote(s) + " is no number that a float64 holds")
	}
	*f = float(v)
	return nil
}

func (f float) MarshalJSON() ([]byte, error) {
	switch v := float64(f); {
	case math.IsNaN(v):
		return []byte(`"NaN"`), nil
	case math.IsInf(v, 1):
		return []byte(`"Infinity"`), nil
	case math.IsInf(v, -1):
		return []byte(`"-Infinity"`), nil
	default:
		return json.Marshal(v)
	}
}

// A metric is a value as it is sent and answered.
type metric struct {
	Key           string `json:"key"`
	Value         *float `json:"value"`
	Timestamp     whole  `json:"timestamp"`
	Step          whole  `json:"step"`
	DatasetName   string `json:"dataset_name,omitempty"`
	DatasetDigest string `json:"dataset_digest,omitempty"`
	ModelID       string `json:"model_id,omitempty"`
}

// A text is a parameter or a tag.
type text struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// A request holds the fields of all calls.
type request struct {
	metric                  // of log-metric
	RunID          string   `json:"run_id"`
	RunUUID        string   `json:"run_uuid"`
	RunName        string   `json:"run_name"`
	UserID         string   `json:"user_id"`
	Status         string   `json:"status"`
	StartTime      whole    `json:"start_time"`
	EndTime        whole    `json:"end_time"`
	ExperimentID   string   `json:"experiment_id"`
	ExperimentIDs  []string `json:"experiment_ids"`
	Name           string   `json:"name"`
	ExperimentName string   `json:"experiment_name"`
	Filter         string   `json:"filter"`
	MaxResults     whole    `json:"max_results"`
	Metrics        []metric `json:"metrics"`
	Params         []text   `json:"params"`
	Tags           []text   `json:"tags"`
	Datasets       []struct {
		Dataset struct {
			Name   string `json:"name"`
			Digest string `json:"digest"`
		} `json:"dataset"`
	} `json:"datasets"`
	Text *string `json:"-"` // the value of log-parameter and set-tag
}

func (q *request) run() string {
	if q.RunID != "" {
		return q.RunID
	}
	return q.RunUUID
}

// read reads a request: the query of a GET, the JSON of a POST.
func read(w http.ResponseWriter, r *http.Request) (*request, error) {
	q := &request{}
	if r.Method == http.MethodGet {
		v := r.URL.Query()
		q.RunID, q.RunUUID, q.ExperimentID, q.ExperimentName = v.Get("run_id"), v.Get("run_uuid"), v.Get("experiment_id"), v.Get("experiment_name")
		return q, nil
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return nil, &refusal{http.StatusUnsupportedMediaType, "BAD_REQUEST", "the body must be declared as application/json"}
	}
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	var err error
	if strings.HasSuffix(r.URL.Path, "/log-parameter") || strings.HasSuffix(r.URL.Path, "/set-tag") { // their value is a text
		var t struct {
			RunID   string `json:"run_id"`
			RunUUID string `json:"run_uuid"`
			text
		}
		err = d.Decode(&t)
		q.RunID, q.RunUUID, q.Key, q.Text = t.RunID, t.RunUUID, t.Key, &t.Value
	} else {
		err = d.Decode(q)
	}
	if err == nil && d.More() {
		err = errors.New("something follows the end of the JSON")
	}
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return nil, &refusal{http.StatusRequestEntityTooLarge, "INVALID_PARAMETER_VALUE", "a request has at most 1 MB: send several"}
	}
	if err != nil {
		return nil, invalid("the body is no request: %v", err)
	}
	return q, nil
}

func reply(w http.ResponseWriter, status int, answer any) {
	b, err := json.Marshal(answer)
	if err != nil {
		status, b = http.StatusInternalServerError, []byte(`{"error_code":"INTERNAL_ERROR","message":"the answer cannot be written"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	w.Write(b) // a client that is gone is told nothing
}

// refuse answers with an error.
func refuse(w http.ResponseWriter, err error) {
	r := &refusal{http.StatusInternalServerError, "INTERNAL_ERROR", err.Error()}
	errors.As(err, &r)
	reply(w, r.status, map[string]string{"error_code": r.code, "message": r.why})
}
