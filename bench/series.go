package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// seriesOptions say what weights measures.
type seriesOptions struct {
	dir   string
	scale float64
	keep  bool
}

// A parameter is an array of a model that is trained, at full precision.
type parameter struct {
	name   string
	rows   int
	cols   int
	values []float32
}

// parameters are those of a small transformer: at scale 1 some 64 million.
func parameters(scale float64) []*parameter {
	rows := scaled(1024, scale, 4)
	var out []*parameter
	add := func(name string, rows, cols int) { out = append(out, &parameter{name: name, rows: rows, cols: cols}) }
	add("embed", 12*rows, 1024)
	for layer := range 4 {
		at := fmt.Sprintf("layers.%d.", layer)
		add(at+"norm.weight", 1, 1024)
		for _, name := range []string{"q", "k", "v", "o"} {
			add(at+name+".weight", rows, 1024)
			add(at+name+".bias", 1, rows)
		}
		add(at+"up.weight", 4*rows, 1024)
		add(at+"down.weight", rows, 4096)
	}
	for _, p := range out {
		r := seeded("parameter", p.name)
		p.values = make([]float32, p.rows*p.cols)
		for i := range p.values {
			p.values[i] = float32(float32(r.bell()) * float32(spread/bellDeviation))
		}
	}
	return out
}

// train moves every parameter by a normal step; the frozen ones stay.
func train(all []*parameter, step int, deviation float64, frozen func(string) bool) {
	for _, p := range all {
		if frozen(p.name) {
			continue
		}
		r := seeded("train", step, p.name)
		for i := range p.values {
			p.values[i] += float32(float32(r.bell()) * float32(deviation/bellDeviation))
		}
	}
}

// writeParameters writes a .safetensors file of a type, F32 or BF16.
func writeParameters(at, dtype, meta string, all []*parameter) error {
	return writeFile(at, func(w *bufio.Writer) error {
		width := map[string]int{"F32": 4, "BF16": 2}[dtype]
		var header strings.Builder
		fmt.Fprintf(&header, `{"__metadata__":{"note":"%s"}`, meta)
		off := 0
		for _, p := range all {
			fmt.Fprintf(&header, `,"%s":{"dtype":"%s","shape":[%d,%d],"data_offsets":[%d,%d]}`, p.name, dtype, p.rows, p.cols, off, off+width*len(p.values))
			off += width * len(p.values)
		}
		header.WriteByte('}')
		for header.Len()%8 != 0 {
			header.WriteByte(' ')
		}
		w.Write(binary.LittleEndian.AppendUint64(nil, uint64(header.Len())))
		w.WriteString(header.String())
		var b [4]byte
		for _, p := range all {
			for _, v := range p.values {
				if dtype == "F32" {
					binary.LittleEndian.PutUint32(b[:], math.Float32bits(v))
				} else {
					binary.LittleEndian.PutUint32(b[:], math.Float32bits(brain(v))>>16)
				}
				w.Write(b[:width])
			}
		}
		return nil // the writer keeps its errors
	})
}

// series measures a training's checkpoints through the program: what each adds to the vault, and how quickly.
func series(ctx context.Context, o seriesOptions, out, talk io.Writer) error {
	dir, err := filepath.Abs(o.dir)
	if err != nil {
		return err
	}
	bin := filepath.Join(dir, "bin")
	if err := errors.Join(os.MkdirAll(bin, 0o755), buildVarve(bin)); err != nil {
		return err
	}
	fmt.Fprint(out, "| weights | checkpoint | bytes | added to the vault | of its size | seconds | processor seconds | MB per processor second |\n|---|---|---|---|---|---|---|---|\n")
	for _, dtype := range []string{"BF16", "F32"} {
		for _, deviation := range []float64{1e-5, 1e-4} {
			g := &checkpoints{at: filepath.Join(dir, fmt.Sprintf("weights-%s-%g", dtype, deviation)), varve: lookUp(varveName, bin), out: out, dtype: dtype, deviation: deviation}
			fmt.Fprintf(talk, "%s, steps of %g\n", dtype, deviation)
			if err := g.run(ctx, o.scale); err != nil {
				return err
			}
			if !o.keep {
				if err := os.RemoveAll(g.at); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// checkpoints is one training.
type checkpoints struct {
	at        string
	varve     string
	out       io.Writer
	dtype     string
	deviation float64
	vault     int64 // bytes
}

func (g *checkpoints) run(ctx context.Context, scale float64) error {
	if err := errors.Join(os.RemoveAll(g.at), os.MkdirAll(filepath.Join(g.at, "project"), 0o755), os.MkdirAll(filepath.Join(g.at, "home"), 0o755)); err != nil {
		return err
	}
	if _, err := g.tell(ctx, "init"); err != nil {
		return err
	}
	all := parameters(scale)
	none, backbone := func(string) bool { return false }, func(name string) bool { return !strings.HasPrefix(name, "layers.3.") }
	if err := g.checkpoint(ctx, "the first", "0", all); err != nil {
		return err
	}
	for i := range 3 {
		train(all, i, g.deviation, none)
		if err := g.checkpoint(ctx, fmt.Sprintf("all moved by %g, %d", g.deviation, i+1), fmt.Sprint(i+1), all); err != nil {
			return err
		}
	}
	train(all, 3, g.deviation, backbone)
	if err := g.checkpoint(ctx, "three layers of four and the embedding frozen", "4", all); err != nil {
		return err
	}
	slices.Reverse(all)
	if err := g.checkpoint(ctx, "in another order, behind another header", strings.Repeat("5", 3000), all); err != nil {
		return err
	}
	began, before := time.Now(), g.vault
	cpu, err := g.tell(ctx, "visual", "model.safetensors@v3", "model.safetensors@v4", "--json")
	if err == nil {
		g.row("v3 and v4 compared, from the vault", 2*g.size(), before-g.vault, time.Since(began).Seconds(), cpu)
	}
	return err
}

func (g *checkpoints) size() int64 {
	info, err := os.Stat(filepath.Join(g.at, "project", "model.safetensors"))
	if err != nil {
		return 0
	}
	return info.Size()
}

// checkpoint writes one, takes a snapshot, and looks whether what is restored is the same.
func (g *checkpoints) checkpoint(ctx context.Context, what, meta string, all []*parameter) error {
	file := filepath.Join(g.at, "project", "model.safetensors")
	if err := writeParameters(file, g.dtype, meta, all); err != nil {
		return err
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(file, old, old); err != nil { // so long untouched that it is read once
		return err
	}
	syncDisks()
	began := time.Now()
	cpu, err := g.tell(ctx, "snap", "-q", "--yes")
	if err != nil {
		return err
	}
	wall := time.Since(began).Seconds()
	now, err := bytesIn(filepath.Join(g.at, "vault"))
	if err != nil {
		return err
	}
	g.row(what, g.size(), now-g.vault, wall, cpu)
	g.vault = now
	return g.same(ctx, file)
}

// same restores the file and compares it.
func (g *checkpoints) same(ctx context.Context, file string) error {
	cmd := g.command(ctx, "cat", "model.safetensors@latest")
	back, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	differ := sameBytes(bufio.NewReaderSize(back, 1<<20), bufio.NewReaderSize(f, 1<<20))
	return errors.Join(differ, cmd.Wait())
}

func sameBytes(a, b *bufio.Reader) error {
	for at := int64(0); ; at++ {
		x, errA := a.ReadByte()
		y, errB := b.ReadByte()
		if errA == io.EOF && errB == io.EOF {
			return nil
		}
		if errA != nil || errB != nil || x != y {
			return fmt.Errorf("what came back differs at byte %d: %v, %v", at, errA, errB)
		}
	}
}

func (g *checkpoints) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, g.varve, args...)
	cmd.Dir = filepath.Join(g.at, "project")
	home := filepath.Join(g.at, "home")
	cmd.Env = append(os.Environ(), "HOME="+home, "USERPROFILE="+home, "XDG_CACHE_HOME="+home, "XDG_CONFIG_HOME="+home, "XDG_DATA_HOME="+home, "LOCALAPPDATA="+home, "APPDATA="+home,
		"VARVE_VAULT="+filepath.Join(g.at, "vault"), "VARVE_KEYRING=off", "GOMAXPROCS=1")
	return cmd
}

// tell runs varve and returns the processor seconds that it took.
func (g *checkpoints) tell(ctx context.Context, args ...string) (float64, error) {
	cmd := g.command(ctx, args...)
	var talk strings.Builder
	cmd.Stderr = &talk
	if err := cmd.Run(); err != nil {
		return 0, fmt.Errorf("varve %s: %w\n%s", args[0], err, talk.String())
	}
	return (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds(), nil
}

func (g *checkpoints) row(what string, size, added int64, wall, cpu float64) {
	fmt.Fprintf(g.out, "| %s | %s | %d | %d | %.4f | %.2f | %.2f | %.0f |\n", g.dtype, what, size, added, float64(added)/float64(size), wall, cpu, mega(size)/cpu)
}
