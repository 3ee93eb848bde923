package main

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"varve/format/weights"
)

// TestWeights runs the script of weights, with files that a text archive cannot hold.
func TestWeights(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/weights",
		Setup: func(env *testscript.Env) error {
			for _, name := range []string{"HOME", "USERPROFILE", "LOCALAPPDATA", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "APPDATA"} {
				env.Setenv(name, filepath.Join(env.WorkDir, "home"))
			}
			env.Setenv("VARVE_KEYRING", "off")
			nan := float32(math.NaN())
			for name, b := range map[string][]byte{
				"proj/model.safetensors": safetensorsOf("1", "backbone.a", 1, 2, 3, 4, "backbone.b", 1, 2, 3, 4, "head", 1, 2, 3, 4),
				"new.safetensors":        safetensorsOf("2", "backbone.a", 1, 2, 3, 4, "backbone.b", 1, 2, 3, nan, "head", 1, 2, 3, 5, "more", 1, 1, 1, 1),
				"proj/head.npy":          append(weights.Header("<f4", []int64{2}, false), 0, 0, 128, 63, 0, 0, 0, 64),
			} {
				at := filepath.Join(env.WorkDir, filepath.FromSlash(name))
				if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
					return err
				}
				if err := os.WriteFile(at, b, 0o644); err != nil {
					return err
				}
			}
			return os.MkdirAll(filepath.Join(env.WorkDir, "home"), 0o755)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"code": code, "jsonhas": jsonHas, "json": jsonIs},
	})
}

// safetensorsOf is a file of F32 tensors of 2 × 2: each a name and four numbers.
func safetensorsOf(step string, parts ...any) []byte {
	header := `{"__metadata__":{"step":"` + step + `"}`
	var body []byte
	for i := 0; i < len(parts); i += 5 {
		header += fmt.Sprintf(`,%q:{"dtype":"F32","shape":[2,2],"data_offsets":[%d,%d]}`, parts[i], len(body), len(body)+16)
		for _, v := range parts[i+1 : i+5] {
			f, ok := v.(float32)
			if n, whole := v.(int); whole {
				f, ok = float32(n), true
			}
			if !ok {
				panic("a number")
			}
			body = binary.LittleEndian.AppendUint32(body, math.Float32bits(f))
		}
	}
	header += "}"
	return append(append(binary.LittleEndian.AppendUint64(nil, uint64(len(header))), header...), body...)
}
