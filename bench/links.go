package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// writeLinks makes a project of scenes that refer to textures: so many files in all, a fifth of them scenes, with the same
// number of references each; one in five hundred leads to nothing. It returns how many there are, and that lead to nothing.
func writeLinks(dir string, files, references int) (all, missing int, err error) {
	scenes := max(1, files/5)
	textures, each := max(1, files-scenes), references/scenes
	name := func(i int) string { return fmt.Sprintf("textures/%s/%s_%d.png", word(i%97), word(i%vocabulary), i) }
	write := func(at, text string) error {
		full := filepath.Join(dir, filepath.FromSlash(at))
		err := os.WriteFile(full, []byte(text), 0o644)
		if os.IsNotExist(err) {
			if err = os.MkdirAll(filepath.Dir(full), 0o755); err == nil {
				err = os.WriteFile(full, []byte(text), 0o644)
			}
		}
		return err
	}
	for i := range textures {
		if err := write(name(i), "\x89PNG\r\n\x1a\n"+name(i)); err != nil { // only who it is counts
			return 0, 0, err
		}
	}
	for s := range scenes {
		r := seeded("scene", s)
		var b strings.Builder
		b.WriteString(`{"asset":{"version":"2.0"},"images":[`)
		for k := range each {
			to := "../../" + name(r.below(textures))
			if r.below(500) == 0 {
				to, missing = fmt.Sprintf("../../textures/gone_%d.png", k), missing+1
			}
			if k > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, `{"name":%q,"uri":%q}`, word(r.below(vocabulary)), to)
			all++
		}
		b.WriteString(`]}`)
		if err := write(sceneName(s), b.String()); err != nil {
			return 0, 0, err
		}
	}
	return all, missing, nil
}

func sceneName(s int) string {
	return fmt.Sprintf("scenes/%s/%s_%d.gltf", word(s%89), word(s%vocabulary), s)
}

// studioProfile is an application that is nowhere but in the bench's own home.
const studioProfile = `id = "studio"
name = "Studio"
schema = 1
[[root]]
os = "linux"
path = "{home}/studio"
[[root]]
os = "darwin"
path = "{home}/studio"
[[root]]
os = "windows"
path = "{home}/studio"
[[group]]
name = "settings"
include = ["*.json", "keys/**", "layouts/**"]
[[group]]
name = "brushes"
include = ["brushes/**"]
max_mb = 200
[secrets]
files = ["**/*token*"]
keys = ["password", "api_key"]
`

// writeStudio makes the application's folder: so many files, of which most are brushes: pictures that do not compress.
// It returns how many bytes they have.
func writeStudio(home string, files int, bytes int64) (int64, error) {
	sum := int64(0)
	write := func(at string, text []byte) error {
		sum += int64(len(text))
		full := filepath.Join(home, "studio", filepath.FromSlash(at))
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			return err
		}
		return os.WriteFile(full, text, 0o644)
	}
	for i := range files {
		r := seeded("studio", i)
		switch {
		case i%10 < 3:
			folder := []string{"keys", "layouts", "layouts/panels"}[i%3]
			if err := write(fmt.Sprintf("%s/%s_%d.json", folder, word(i%vocabulary), i), compose(r, "json", r.between(400, 9000))); err != nil {
				return 0, err
			}
		default:
			p := make([]byte, r.between(int(bytes)/files/4, int(bytes)/files*5/2))
			r.fill(p)
			if err := write(fmt.Sprintf("brushes/%s/%s_%d.brush", word(i%11), word(i%vocabulary), i), p); err != nil {
				return 0, err
			}
		}
	}
	return sum, write("settings.json", []byte(`{"theme":"dark","password":"secret"}`))
}
