package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"varve/experiment"
	"varve/experiment/mlflow"
)

func metricServe(e *env) *cobra.Command {
	var addr string
	c := &cobra.Command{Use: "serve", Short: "Take what programs log to MLflow", Args: cobra.NoArgs,
		Long: "Serves the part of MLflow's tracking server that training programs write to, on this machine alone, until it is\n" +
			"interrupted: a program with MLFLOW_TRACKING_URI set to the address that is printed logs its runs here, unchanged.\n" +
			"A run takes a snapshot when it begins and one when it ends, and is judged by the project's policy; nothing is\n" +
			"rolled back. The program sets MLFLOW_TRACKING_TOKEN to the token that is printed.",
		RunE: func(cmd *cobra.Command, _ []string) error { return e.serveMetrics(cmd.Context(), addr) }}
	c.Flags().StringVar(&addr, "addr", "127.0.0.1:0", "the `ADDRESS` to listen on; of this machine")
	return c
}

// trackingSink keeps what programs log as runs of the project: begun and ended like those of run start and run finish.
type trackingSink struct {
	e    *env
	p    *place
	l    *experiment.Lab
	runs map[string]*experiment.Running
}

// Log keeps one change. Points go to the run's file, as if the program had written them itself.
func (s *trackingSink) Log(ctx context.Context, c mlflow.Change) error {
	ctx = context.WithoutCancel(ctx)
	r := s.runs[c.Run.ID]
	if c.New {
		text, err := s.e.policyText(s.p, "")
		if err != nil {
			return err
		}
		start := experiment.Start{Policy: string(text), Ignore: s.p.project.IgnoreSettings(), Params: map[string]string{"mlflow.run": c.Run.ID, "mlflow.experiment": c.Run.Experiment}}
		if name := c.Run.Name; name != "" {
			start.Params["mlflow.name"] = name
		}
		start.Environment, start.Revision = s.e.surroundings(s.p.root, nil)
		if r, err = s.l.Begin(ctx, start); err != nil {
			return err
		}
		r.PID = s.e.pid
		s.runs[c.Run.ID] = r
	}
	if r == nil {
		return nil // it has ended: what comes late is of a run that is kept
	}
	if err := appendPoints(r.MetricsFile(), c.Points); err != nil {
		return err
	}
	for k, v := range c.Params {
		r.Params[k] = v
		if strings.EqualFold(k, "seed") || strings.EqualFold(k, "random_seed") {
			r.Seed = v
		}
	}
	switch c.Run.Status {
	case "FINISHED", "FAILED", "KILLED":
		o := experiment.Outcome{Ended: s.e.now(), Keep: true}
		if c.Run.Status != "FINISHED" {
			o.Exit, o.Error = 1, strings.ToLower(c.Run.Status)
		}
		run, err := s.l.Finish(ctx, r, o)
		if err != nil {
			return err
		}
		delete(s.runs, c.Run.ID)
		return s.e.printRun(run)
	}
	if len(c.Params) > 0 || c.New {
		return s.l.SaveRunning(r)
	}
	return nil
}

// appendPoints writes points as VARVE_METRICS has them.
func appendPoints(at string, points []experiment.Point) error {
	if len(points) == 0 {
		return nil
	}
	var b []byte
	for i := range points {
		p := &points[i]
		line := map[string]any{"metric": p.Metric, "value": p.Value}
		if math.IsNaN(p.Value) || math.IsInf(p.Value, 0) {
			line["value"] = strconv.FormatFloat(p.Value, 'g', -1, 64)
		}
		if p.HasStep {
			line["step"] = p.Step
		}
		if !p.Time.IsZero() {
			line["time"] = p.Time.Format(time.RFC3339Nano)
		}
		one, err := json.Marshal(line)
		if err != nil {
			return err
		}
		b = append(append(b, one...), '\n')
	}
	f, err := os.OpenFile(at, os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Close())
}

type servingJSON struct {
	Schema string `json:"schema"`
	URI    string `json:"uri"`
	Token  string `json:"token"`
}

func (e *env) serveMetrics(ctx context.Context, addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return usage("", "--addr %s: %w", addr, err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return usage("as 127.0.0.1:5000", "--addr %s is not of this machine alone", addr)
	}
	p, l, err := e.lab(ctx, need{newVault: true, newFolder: true, folder: true})
	if err != nil {
		return err
	}
	defer l.Close()
	token, err := randomHex()
	if err != nil {
		return err
	}
	server, err := mlflow.New(mlflow.Options{Sink: &trackingSink{e, p, l, map[string]*experiment.Running{}}, Now: e.now, Token: token,
		NewID: func() string { id, _ := randomHex(); return id }})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	uri := "http://" + listener.Addr().String()
	if e.json {
		err = e.emit(servingJSON{"varve.serving/1", uri, token})
	} else {
		e.printf("MLFLOW_TRACKING_URI=%s\nMLFLOW_TRACKING_TOKEN=%s\n", uri, token)
	}
	_ = e.out.Flush()
	if err != nil {
		return err
	}
	h := &http.Server{Handler: server, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		<-ctx.Done()
		_ = h.Shutdown(context.Background())
	}()
	if err := h.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	e.say("runs that have not ended are kept: varve run ls lists them")
	return nil
}

func randomHex() (string, error) {
	var b [16]byte
	_, err := rand.Read(b[:])
	return hex.EncodeToString(b[:]), err
}
