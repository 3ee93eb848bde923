package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// figures are what is measured, at scale 1 in the sizes that they are known for.
func figures() []figure {
	return []figure{{"pictures", pictureQuestions}, {"models", modelQuestions}, {"scenes", sceneQuestions}, {"layers", layerQuestions},
		{"timeline", timelineQuestions}, {"references", referenceQuestions}, {"workspace", workspaceQuestions}}
}

// picturePeers compare two PNGs.
func picturePeers(a, b string) []peer {
	return []peer{
		{"ImageMagick", "compare", []string{"-metric", "AE", a, b, "null:"}, []int{1}},
		{"pixelmatch", "pixelmatch", []string{a, b}, []int{66}},
		{"odiff", "odiff", []string{a, b}, []int{22}},
	}
}

func pictureQuestions(_ context.Context, g *gallery) ([]question, error) {
	plain := photo{width: scaled(3840, g.o.scale, 96), height: scaled(2160, g.o.scale, 54)}
	edited, other := plain, plain
	edited.edits, other.exposed = 7, true
	deep, deepEdited := plain, edited
	deep.deep, deepEdited.deep = true, true
	for name, p := range map[string]photo{"a.png": plain, "b.png": edited, "c.png": other, "d.png": deep, "e.png": deepEdited} {
		if err := g.file(name, p.png); err != nil {
			return nil, err
		}
	}
	size := fmt.Sprintf("%d×%d", plain.width, plain.height)
	ask := func(what, a, b string, target float64, p *photo, regions int) question {
		return question{what: what, target: target, ask: []string{"visual", a, b, "--json"}, peers: picturePeers(a, b),
			right: func(out []byte) error { return rightPixels(out, p.changed(), regions) }}
	}
	return []question{
		ask("pictures of "+size+", some regions edited", "a.png", "b.png", 0.6, &edited, 1),
		ask("pictures of "+size+", every pixel changed", "a.png", "c.png", 0, &other, 1),
		ask("pictures of "+size+" of 16 bits", "d.png", "e.png", 1.2, &deepEdited, 1),
	}, nil
}

func rightPixels(out []byte, changed, regions int) error {
	var v struct {
		Changed int `json:"changed_pixels"`
		Count   int `json:"region_count"`
	}
	if err := json.Unmarshal(out, &v); err != nil {
		return err
	}
	if v.Changed != changed || v.Count < regions {
		return fmt.Errorf("%d pixels in %d regions, want %d", v.Changed, v.Count, changed)
	}
	return nil
}

func modelQuestions(_ context.Context, g *gallery) ([]question, error) {
	a, b := rock{n: scaled(289, g.o.scale, 12)}, rock{n: scaled(287, g.o.scale, 11), bumped: true}
	for name, make := range map[string]func() []byte{"a.stl": a.stl, "b.stl": b.stl, "a.glb": a.glb, "b.glb": b.glb} {
		if err := g.file(name, make); err != nil {
			return nil, err
		}
	}
	ask := func(kind string) question {
		return question{what: fmt.Sprintf("models of %d and %d triangles, %s", a.triangles(), b.triangles(), kind), target: 2.5,
			ask: []string{"visual", "a." + strings.ToLower(kind), "b." + strings.ToLower(kind), "--json"}, right: func(out []byte) error { return rightModels(out, &a, &b) }}
	}
	return []question{ask("STL"), ask("GLB")}, nil
}

// rightModels: closed, counted right, and apart by the bump.
func rightModels(out []byte, a, b *rock) error {
	type measures struct {
		Triangles int
		Closed    bool
	}
	var v struct {
		Old, New  measures
		Hausdorff float64
		Mean      float64 `json:"mean_distance"`
	}
	if err := json.Unmarshal(out, &v); err != nil {
		return err
	}
	if v.Old != (measures{a.triangles(), true}) || v.New != (measures{b.triangles(), true}) {
		return fmt.Errorf("measures %+v and %+v", v.Old, v.New)
	}
	if v.Hausdorff < 0.04 || v.Hausdorff > 0.08 || v.Mean > 0.01 || v.Mean <= 0 {
		return fmt.Errorf("apart by %v, %v on average", v.Hausdorff, v.Mean)
	}
	return nil
}

func sceneQuestions(_ context.Context, g *gallery) ([]question, error) {
	old := scene{meshes: scaled(40, g.o.scale, 6), n: scaled(74, min(1, g.o.scale*2), 8)}
	fresh := old
	fresh.session, fresh.moved, fresh.shaped = 1, map[int]bool{2: true}, map[int]bool{1: true, 4: true}
	for name, s := range map[string]scene{"a.blend": old, "b.blend": fresh} {
		if err := g.once(name, func() error { return writeFile(filepath.Join(g.project(), name), s.write) }); err != nil {
			return nil, err
		}
	}
	info, err := os.Stat(filepath.Join(g.project(), "a.blend"))
	if err != nil {
		return nil, err
	}
	size := fmt.Sprintf("Blender files of %.0f MB", mega(info.Size()))
	want := []string{"MERock.001", "MERock.004", "OBRock.002"}
	changed := func(out []byte) error { return rightElements(out, want) }
	return []question{
		{what: size + ": which objects differ", target: 0.8, ask: []string{"visual", "a.blend", "b.blend", "--inside", "--json"}, right: changed},
		{what: size + ": what differs, meshes measured", ask: []string{"visual", "a.blend", "b.blend", "--json"}, right: changed},
		{what: size + ": elements of one", ask: []string{"element", "ls", "b.blend", "--json"}, right: func(out []byte) error { return rightLines(out, 2*old.meshes+1) }},
	}, nil
}

// rightElements: these were changed, and no others.
func rightElements(out []byte, want []string) error {
	var v struct{ Elements []struct{ ID string } }
	if err := json.Unmarshal(out, &v); err != nil {
		return err
	}
	got := map[string]bool{}
	for _, e := range v.Elements {
		got[e.ID] = true
	}
	for _, id := range want {
		if !got[id] {
			return fmt.Errorf("%s is not told to differ, of %v", id, got)
		}
	}
	if len(got) != len(want) {
		return fmt.Errorf("%v are told to differ, want %v", got, want)
	}
	return nil
}

func rightLines(out []byte, want int) error {
	if n := bytes.Count(out, []byte("\n")); n != want {
		return fmt.Errorf("%d lines, want %d", n, want)
	}
	return nil
}

func writeFile(at string, write func(*bufio.Writer) error) error {
	f, err := os.Create(at)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	return errors.Join(write(w), w.Flush(), f.Close())
}

// layerQuestions: a large document, and one into which a layer is brought back.
func layerQuestions(ctx context.Context, g *gallery) ([]question, error) {
	side := scaled(4000, g.o.scale, 160)
	large, page := poster(true, 31, side), poster(false, 15, side)
	if err := g.once("large.psb", func() error {
		return writeFile(filepath.Join(g.project(), "large.psb"), func(w *bufio.Writer) error { return large.write(w, false) })
	}); err != nil {
		return nil, err
	}
	put := func() error {
		return writeFile(filepath.Join(g.project(), "page.psd"), func(w *bufio.Writer) error { return page.write(w, false) })
	}
	if err := g.once("page.psd", func() error {
		if err := put(); err != nil {
			return err
		}
		if _, err := g.tell(ctx, "snap", "-q", "--yes"); err != nil {
			return err
		}
		page.layers[5].stroke(1)
		page.layers[7].opacity = 128
		if err := put(); err != nil {
			return err
		}
		_, err := g.tell(ctx, "snap", "-q", "--yes")
		return err
	}); err != nil {
		return nil, err
	}
	sizes := map[string]string{}
	for _, name := range []string{"large.psb", "page.psd"} {
		info, err := os.Stat(filepath.Join(g.project(), name))
		if err != nil {
			return nil, err
		}
		sizes[name] = fmt.Sprintf("%.0f MB", mega(info.Size()))
	}
	listed := func(out []byte) error { return rightLines(out, len(large.layers)) }
	id := fmt.Sprint(page.layers[5].id)
	graft := []string{"element", "graft", "page.psd", "--from", "v1", "--element", id, "--yes", "--json"}
	grafted := func(out []byte) error {
		var v struct {
			Changes []struct{ ID string }
		}
		if err := json.Unmarshal(out, &v); err != nil {
			return err
		}
		if len(v.Changes) != 1 || v.Changes[0].ID != id {
			return fmt.Errorf("the graft changes %v, want %s", v.Changes, id)
		}
		return nil
	}
	back := func(g *gallery) error {
		_, err := g.tell(ctx, "restore", "v2", "page.psd", "-q", "--yes")
		return err
	}
	touched := func(g *gallery) error { // as a save without a change: it is read again
		now := time.Now()
		return errors.Join(back(g), os.Chtimes(filepath.Join(g.project(), "page.psd"), now, now))
	}
	return []question{
		{what: "elements of a PSB of " + sizes["large.psb"], target: 0.5, ask: []string{"element", "ls", "large.psb"}, right: listed},
		{what: "the same, of a snapshot, nothing remembered", target: 0.5, ask: []string{"element", "ls", "large.psb@v1"}, before: forget, right: listed},
		{what: "the same, with hashes of all pixels", ask: []string{"element", "ls", "large.psb", "--json"}, right: listed},
		{what: "the same, with hashes, of a snapshot, nothing remembered", ask: []string{"element", "ls", "large.psb@v1", "--json"}, before: forget, right: listed},
		{what: "the same, with hashes, of a snapshot, again", target: 0.5, ask: []string{"element", "ls", "large.psb@v1", "--json"}, right: listed},
		{what: "graft of a layer into a PSD of " + sizes["page.psd"] + ", planned only", ask: append(graft[:len(graft):len(graft)], "--dry-run"), before: back, right: grafted},
		{what: "graft of a layer into a PSD of " + sizes["page.psd"], target: 2, ask: graft, before: back, right: grafted},
		{what: "the safety snapshot of that, by itself", ask: []string{"snap", "--json", "--yes"}, before: touched, right: func([]byte) error { return nil }},
	}, nil
}

// timelineQuestions: a document that was saved so often.
func timelineQuestions(ctx context.Context, g *gallery) ([]question, error) {
	saves := scaled(500, g.o.scale, 8)
	page := poster(false, 24, scaled(400, min(1, g.o.scale*2), 64))
	at := filepath.Join(g.project(), "page.psd")
	if err := g.once("page.psd", func() error {
		r := seeded("saves")
		for save := range saves {
			if save > 0 {
				l := &page.layers[r.below(len(page.layers))]
				l.stroke(save)
				if save%7 == 0 {
					page.layers[r.below(len(page.layers))].opacity ^= byte(save)
				}
			}
			if err := writeFile(at, func(w *bufio.Writer) error { return page.write(w, true) }); err != nil {
				return err
			}
			if _, err := g.tell(ctx, "snap", "-q", "--yes"); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return nil, err
	}
	info, err := os.Stat(at)
	if err != nil {
		return nil, err
	}
	what := fmt.Sprintf("timeline of %d versions of a PSD of %.1f MB", saves, mega(info.Size()))
	right := func(out []byte) error {
		if n := bytes.Count(out, []byte(`"aspects":["pixels"]`)); n < saves-1 {
			return fmt.Errorf("%d layers were painted on, want %d at least", n, saves-1)
		}
		return rightLines(out, saves)
	}
	ask := []string{"timeline", "page.psd", "--json"}
	return []question{
		{what: what + ", nothing remembered", target: 5, ask: ask, before: forget, right: right},
		{what: what + ", again", target: 1, ask: ask, right: right},
	}, nil
}

func referenceQuestions(ctx context.Context, g *gallery) ([]question, error) {
	files, references := scaled(100_000, g.o.scale, 200), scaled(1_000_000, g.o.scale, 2000)
	facts := filepath.Join(g.at, "references.json")
	var made [2]int
	if err := g.once("references", func() error {
		var err error
		if made[0], made[1], err = writeLinks(g.project(), files, references); err != nil {
			return err
		}
		text, err := json.Marshal(made)
		if err != nil {
			return err
		}
		if err := os.WriteFile(facts, text, 0o644); err != nil {
			return err
		}
		_, err = g.tell(ctx, "snap", "-q", "--yes")
		return err
	}); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(facts)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &made); err != nil {
		return nil, err
	}
	what := fmt.Sprintf("%d files, %d references: ", files, made[0])
	some := func(out []byte) error {
		if len(out) == 0 {
			return errors.New("nothing was found")
		}
		return nil
	}
	missing := func(out []byte) error { return rightLines(out, made[1]) }
	ask := []string{"refs", "missing", "--json"}
	return []question{
		{what: what + "what is missing, nothing remembered", ask: ask, before: forget, right: missing},
		{what: what + "what is missing", target: 2, ask: ask, right: missing},
		{what: what + "all of them", target: 2, ask: []string{"refs", "ls", "--json"}, right: func(out []byte) error { return rightLines(out, made[0]) }},
		{what: what + "what a scene needs", ask: []string{"refs", "needs", sceneName(0), "--json"}, right: some},
	}, nil
}

func workspaceQuestions(ctx context.Context, g *gallery) ([]question, error) {
	files, bytes := scaled(2000, g.o.scale, 40), int64(scaled(90_000_000, g.o.scale, 100_000))
	if err := g.once("studio", func() error {
		if err := os.WriteFile(filepath.Join(g.project(), "note.txt"), []byte("a project\n"), 0o644); err != nil {
			return err
		}
		if _, err := writeStudio(g.home(), files, bytes); err != nil {
			return err
		}
		_, err := g.tell(ctx, "snap", "-q", "--yes")
		return err
	}); err != nil {
		return nil, err
	}
	for _, dir := range []string{".config/varve/workspaces", "Library/Application Support/varve/workspaces", "varve/workspaces"} {
		at := filepath.Join(g.home(), filepath.FromSlash(dir))
		if err := os.MkdirAll(at, 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(at, "studio.toml"), []byte(studioProfile), 0o644); err != nil {
			return nil, err
		}
	}
	what := fmt.Sprintf("settings of an application, %d files of %.0f MB, ", files+1, mega(bytes))
	captured := func(out []byte) error {
		var v struct {
			Files   int
			LeftOut []any `json:"left_out"`
		}
		if err := json.Unmarshal(out, &v); err != nil {
			return err
		}
		if v.Files != files+1 || len(v.LeftOut) > 0 {
			return fmt.Errorf("%d files, %d left out: want %d", v.Files, len(v.LeftOut), files+1)
		}
		return nil
	}
	// The first time: into a vault that has only the project.
	first := func(g *gallery) error {
		for _, dir := range []string{g.vault(), filepath.Join(g.home(), ".cache"), filepath.Join(g.project(), ".varve")} {
			if err := os.RemoveAll(dir); err != nil {
				return err
			}
		}
		_, err := g.tell(ctx, "snap", "-q", "--yes")
		return err
	}
	ask := []string{"workspace", "capture", "studio", "--json", "--yes"}
	return []question{
		{what: what + "the first time", target: 2, ask: ask, before: first, right: captured},
		{what: what + "as they were", target: 2, ask: ask, right: captured},
	}, nil
}
