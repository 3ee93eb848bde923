package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"math"
	"strings"
)

const (
	spread     = 0.02         // standard deviation of the weights
	stepSpread = spread / 200 // of what v3 adds to each
)

// A tensor is a bf16 array of a weights file.
type tensor struct {
	name string
	rows int
	cols int
	mean float32
	seed int // another seed, other values
}

func (t tensor) size() int { return 2 * t.rows * t.cols }

// weightVersions: a safetensors file of 15 layers, 120 tensors, bf16. v2: every tenth tensor is another. v3: each weight
// has moved a little, as after some more training.
func weightVersions(scale float64) [][]entry {
	tensors := transformer(scaled(512, scale, 4))
	config := entry{"config.json", "config", func(w *bufio.Writer) error {
		_, err := fmt.Fprintf(w, "{\"layers\": 15, \"torch_dtype\": \"bfloat16\", \"rows\": %d}\n", tensors[0].rows)
		return err
	}}
	var out [][]entry
	for v := 1; v <= 3; v++ {
		if v == 2 {
			for i := 0; i < len(tensors); i += 10 {
				tensors[i].seed = 2
			}
		}
		now := append([]tensor(nil), tensors...)
		out = append(out, []entry{config, {"model.safetensors", fmt.Sprint("weights ", v), func(w *bufio.Writer) error {
			return writeWeights(w, now, v == 3)
		}}})
	}
	return out
}

func transformer(rows int) []tensor {
	var out []tensor
	for layer := range 15 {
		at := fmt.Sprintf("model.layers.%d.", layer)
		for _, name := range []string{"q_proj", "k_proj", "v_proj", "o_proj"} {
			out = append(out, tensor{name: at + "self_attn." + name + ".weight", rows: rows, cols: 1024})
		}
		for _, name := range []string{"gate_proj", "up_proj", "down_proj"} {
			out = append(out, tensor{name: at + "mlp." + name + ".weight", rows: 3 * rows, cols: 1024})
		}
		out = append(out, tensor{name: at + "input_layernorm.weight", rows: 1, cols: 1024, mean: 1})
	}
	return out
}

// writeWeights writes the file: the header's length as 64 bits, a JSON header padded to 8 bytes, the arrays.
func writeWeights(w *bufio.Writer, tensors []tensor, moved bool) error {
	var header strings.Builder
	header.WriteString(`{"__metadata__":{"format":"pt"}`)
	at := 0
	for _, t := range tensors {
		fmt.Fprintf(&header, `,"%s":{"dtype":"BF16","shape":[%d,%d],"data_offsets":[%d,%d]}`, t.name, t.rows, t.cols, at, at+t.size())
		at += t.size()
	}
	header.WriteByte('}')
	for header.Len()%8 != 0 {
		header.WriteByte(' ')
	}
	w.Write(binary.LittleEndian.AppendUint64(nil, uint64(header.Len())))
	w.WriteString(header.String())
	for _, t := range tensors {
		t.write(w, moved)
	}
	return w.Flush()
}

// write leaves errors to the writer, which keeps them.
func (t tensor) write(w *bufio.Writer, moved bool) {
	values, steps := seeded("tensor", t.name, t.seed), seeded("step", t.name)
	for range t.rows * t.cols {
		// The conversions round each product, so that none is fused with the sum on any processor.
		x := t.mean + float32(float32(values.bell())*float32(spread/bellDeviation))
		x = brain(x)
		if moved {
			x = brain(x + float32(float32(steps.bell())*float32(stepSpread/bellDeviation)))
		}
		b := math.Float32bits(x) >> 16
		w.WriteByte(byte(b))
		w.WriteByte(byte(b >> 8))
	}
}

// brain rounds to the nearest bf16, ties to even.
func brain(x float32) float32 {
	b := math.Float32bits(x)
	return math.Float32frombits((b + 0x7fff + b>>16&1) &^ 0xffff)
}
