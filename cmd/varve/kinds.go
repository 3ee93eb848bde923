package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"varve/format"
)

// kind is what people should know of a format: the methods of the format say what it can do, this what it cannot.
type kind struct {
	title      string
	extensions string
	not        string // what is not supported, said plainly
}

// kinds tells of each format by its name.
func kinds() map[string]kind {
	return map[string]kind{
		"png":               {"PNG and APNG", ".png .apng", "no region of a picture is grafted"},
		"jpeg":              {"JPEG", ".jpg .jpeg", "lossless, hierarchical and arithmetic processes are not decoded"},
		"gif":               {"GIF", ".gif", ""},
		"bmp":               {"BMP", ".bmp .dib", ""},
		"tiff":              {"TIFF and BigTIFF", ".tif .tiff", "JPEG, Y'CbCr and some fax compressions are not decoded"},
		"webp":              {"WebP", ".webp", ""},
		"dds":               {"DDS textures", ".dds", "other than BC1 to BC7 and plain pixels is not decoded"},
		"exr":               {"OpenEXR", ".exr", "DWAA, DWAB and deep pixels are listed and not decoded"},
		"hdr":               {"Radiance HDR", ".hdr .pic", ""},
		"pnm":               {"PNM and PFM", ".pbm .pgm .ppm .pnm .pam .pfm", ""},
		"tga":               {"Targa", ".tga", ""},
		"psd":               {"Photoshop documents, also large ones", ".psd .psb", "effects and adjustments are not drawn when the merged picture is made again; other colour modes or depths are refused by grafts"},
		"kra":               {"Krita documents", ".kra", "a graft takes the merged picture and the preview out: Krita makes them when it saves"},
		"ora":               {"OpenRaster", ".ora", "layers have no ids of their own: they are told by name and place"},
		"xcf":               {"GIMP documents", ".xcf", ".xcf.xz is not read; rare layer modes are drawn as normal"},
		"aseprite":          {"Aseprite sprites", ".ase .aseprite", ""},
		"blend":             {"Blender files", ".blend", "grafts only between files of one build of Blender; modifiers are not drawn"},
		"gltf":              {"glTF 2.0 and GLB", ".gltf .glb", "Draco and meshopt are not decoded; glTF 1 is not read"},
		"obj":               {"Wavefront OBJ", ".obj", "curves and free-form surfaces are kept and not drawn"},
		"mtl":               {"Wavefront material libraries", ".mtl", ""},
		"stl":               {"STL", ".stl", ""},
		"ply":               {"PLY", ".ply", ""},
		"3mf":               {"3MF", ".3mf", ""},
		"usd":               {"USD as text, and packages", ".usda .usd .usdz", "of binary layers only what they need is read"},
		"collada":           {"Collada", ".dae .zae", "skins and animations are not drawn"},
		"fbx":               {"Autodesk FBX, binary and text", ".fbx", "no grafts; NURBS, subdivision, skins and morphs are not drawn; before version 6 only whether it is whole"},
		"svg":               {"SVG", ".svg", "text, filters, patterns, markers and pictures in it are not drawn"},
		"safetensors":       {"Weights", ".safetensors", "types of less than 8 bits are compared as bytes"},
		"safetensors-index": {"Weights in several files, and which tensor is in which", ".safetensors.index.json", ""},
		"gguf":              {"GGUF models", ".gguf", "of quantised tensors Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K and Q6_K are compared as numbers, others as bytes"},
		"torch":             {"PyTorch weights and checkpoints", ".pt .pth .bin .ckpt", "pickles are read and never run: sparse tensors, and what a class of one's own would make, are not known"},
		"npy":               {"NumPy arrays", ".npy", "structures and objects are compared as bytes"},
		"npz":               {"NumPy archives", ".npz", "compressed arrays are stored as they are compressed"},
		"onnx":              {"ONNX models", ".onnx", "the graph is compared as one thing; files beside a model are not relinked"},
		"parquet":           {"Parquet tables", ".parquet", "pages are not decoded: columns are compared by their bytes; encrypted footers are not read"},
		"godot":             {"Godot scenes, resources and settings", ".tscn .escn .tres .import .godot .uid .cfg", "grafts are refused where what a node needs is gone; classes of C# are not followed"},
		"godot-binary":      {"Godot binary scenes and resources", ".scn .res", "what is compressed is not relinked"},
		"script":            {"Scripts and shaders of Godot", ".gd .gdshader .cs", "what a script puts together while it runs is not known"},
		"unity":             {"Unity scenes, prefabs, assets and .meta", ".unity .prefab .asset .mat .meta .asmdef …", "what is serialised in binary is not read; moves of assets need no relinking"},
		"unity-text":        {"Unity shader graphs and style sheets", ".shadergraph .shadersubgraph .uxml .uss", ""},
		"unreal":            {"Unreal packages", ".uasset .umap", "only the engine can change what a package needs; what was cooked without versions is not read"},
		"unreal-settings":   {"Unreal settings", ".ini", "values that name folders are passed over"},
		"tiled":             {"Tiled maps, tilesets, templates and worlds", ".tmx .tsx .tx .tmj .tsj .tj .world", ""},
		"pxo":               {"Pixelorama documents", ".pxo", "effects and rare layer modes are not drawn: the picture inside is shown; documents before 1.0 are not read"},
		"maya":              {"Maya scenes", ".ma .mb", "of binary scenes only what they need is read"},
		"nuke":              {"Nuke scripts", ".nk .gizmo", "paths that expressions make are not found"},
		"mtlx":              {"MaterialX", ".mtlx", "files that are found by a search path alone count as missing"},
		"premiere":          {"Premiere projects", ".prproj", "a relinked project is packed anew as a whole"},
		"aftereffects":      {"After Effects projects", ".aep .aepx", "binary projects are not relinked"},
		"substance":         {"Substance Designer graphs", ".sbs", ""},
		"sbsar":             {"Substance archives", ".sbsar", "only whether they are whole"},
		"houdini":           {"Houdini scenes", ".hip .hiplc .hipnc", "paths that expressions make are not found"},
		"html":              {"Web pages", ".html .htm .xhtml", "what scripts load is not known"},
		"css":               {"Style sheets", ".css", ""},
		"preview":           {"Pictures inside of other files (AVIF, HEIC, JPEG XL, Affinity, Illustrator, …)", ".avif .heic .jxl …", "only a preview that the application has put there: else a card that says why"},
	}
}

// abilities are what a format can do, in the order of the columns of docs/formats.md.
func abilities() []string {
	return []string{"picture", "pixels", "meshes", "tensors", "elements", "extract", "graft", "references", "relink", "validate", "seams"}
}

// able says which of the abilities a format has.
func able(f format.Format) map[string]bool {
	out := map[string]bool{}
	_, out["picture"] = f.(format.Picturer)
	_, out["pixels"] = f.(format.Decoder)
	_, out["meshes"] = f.(format.Modeler)
	_, out["tensors"] = f.(format.Weigher)
	_, out["elements"] = f.(format.Elementer)
	_, out["extract"] = f.(format.Extractor)
	_, out["graft"] = f.(format.Grafter)
	_, out["references"] = f.(format.Referrer)
	_, out["relink"] = f.(format.Rewriter)
	_, out["validate"] = f.(format.Validator)
	_, out["seams"] = f.(format.Seamer)
	return out
}

type formatJSON struct {
	Schema     string   `json:"schema"`
	Name       string   `json:"name"`
	Title      string   `json:"title"`
	Extensions []string `json:"extensions"`
	Can        []string `json:"can"`
	Not        string   `json:"not"`
}

func formatsVerb(e *env) *cobra.Command {
	return &cobra.Command{
		Use: "formats", Short: "List the kinds of file that varve can look into, and what works for which", GroupID: "inside",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			known := e.studio()
			if known.err != nil {
				return known.err
			}
			for _, f := range known.Formats {
				k, can := kinds()[f.Name()], []string{}
				if v, ok := f.(*viewer); ok {
					k = kind{"shown by " + v.Command[0], strings.Join(v.Files, " "), ""}
				}
				for _, a := range abilities() {
					if able(f)[a] {
						can = append(can, a)
					}
				}
				if e.json {
					if err := e.emit(formatJSON{"varve.format/1", f.Name(), k.title, strings.Fields(strings.ReplaceAll(k.extensions, "…", "")), can, k.not}); err != nil {
						return err
					}
					continue
				}
				e.printf("%-12s %-40s %s\n", f.Name(), k.title, k.extensions)
				e.printf("             %s\n", strings.Join(can, ", "))
				if k.not != "" {
					e.printf("             not: %s\n", k.not)
				}
			}
			return nil
		},
	}
}

// formatsTable is docs/formats.md.
func formatsTable() string {
	var b strings.Builder
	b.WriteString("# Kinds of file\n\nWhat works for which kind of file, from the program itself: `go test ./cmd/varve -run TestFormatsTable -update` writes this page, and the test\n" +
		"compares it. What has no row is kept like everything else, byte for byte; it is only not looked into.\n\n")
	b.WriteString("| kind | files |")
	for _, a := range abilities() {
		fmt.Fprintf(&b, " %s |", a)
	}
	b.WriteString("\n|---|---|" + strings.Repeat("---|", len(abilities())) + "\n")
	for _, f := range formats() {
		k := kinds()[f.Name()]
		fmt.Fprintf(&b, "| %s | %s |", k.title, k.extensions)
		for _, a := range abilities() {
			mark := ""
			if able(f)[a] {
				mark = "✓"
			}
			fmt.Fprintf(&b, " %s |", mark)
		}
		b.WriteString("\n")
	}
	b.WriteString("\n## The columns\n\n" +
		"*picture*: `varve thumb` · *pixels*: `varve visual` compares them at their depth · *meshes*: `varve visual` compares them in space ·\n" +
		"*tensors*: `varve visual` compares them as numbers, also those of two formats ·\n" +
		"*tensors*: `varve visual` compares them as numbers · *elements*: `varve element ls`, `varve timeline` · *extract*: `varve element extract` · *graft*: `varve element graft` ·\n" +
		"*references*: `varve refs` · *relink*: `varve refs relink` rewrites them · *validate*: a half-saved file is told by `varve snap` ·\n" +
		"*seams*: files are cut where their parts begin, so that more of the next version is shared.\n\n## What is not supported\n\n")
	for _, f := range formats() {
		if k := kinds()[f.Name()]; k.not != "" {
			fmt.Fprintf(&b, "- %s: %s.\n", k.title, k.not)
		}
	}
	b.WriteString("- FBX, Alembic, Maya, Houdini, Affinity, Clip Studio and Procreate documents are not looked into, but for a picture that is inside.\n" +
		"- The references of Godot, Unity and Unreal projects are not read yet.\n")
	return b.String()
}
