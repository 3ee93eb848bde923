package gltf

import (
	"encoding/binary"
	"fmt"
	"strings"

	"varve/format"
)

const (
	magic     = 0x46546c67 // "glTF"
	chunkJSON = 0x4e4f534a
	chunkBIN  = 0x004e4942
	header    = 12
	maxChunks = 1 << 10
)

// The lists of a document, by their names in it; the last two lie in extensions.
const (
	accessors   = "accessors"
	animations  = "animations"
	buffers     = "buffers"
	bufferViews = "bufferViews"
	cameras     = "cameras"
	images      = "images"
	materials   = "materials"
	meshes      = "meshes"
	nodes       = "nodes"
	samplers    = "samplers"
	scenes      = "scenes"
	skins       = "skins"
	textures    = "textures"
	lights      = "lights"
	variants    = "variants"
)

const (
	punctual        = "KHR_lights_punctual"
	variantMaterial = "KHR_materials_variants"
	draco           = "KHR_draco_mesh_compression"
	meshopt         = "EXT_meshopt_compression"
)

// listPath returns where a list stands below the root.
func listPath(list string) []string {
	switch list {
	case lights:
		return []string{"extensions", punctual, list}
	case variants:
		return []string{"extensions", variantMaterial, list}
	}
	return []string{list}
}

func allLists() []string {
	return []string{scenes, nodes, meshes, materials, textures, images, animations, skins, cameras, lights, variants,
		accessors, bufferViews, buffers, samplers}
}

// chunk is a part of a GLB, without its head.
type chunk struct {
	off, n int64
	kind   uint32
}

// document is a file that was parsed.
type document struct {
	*text
	in     format.Input
	off    int64 // of the text in the file
	binary bool  // GLB
	chunks []chunk
	bin    chunk // BIN; n 0 if there is none
	lists  map[string][]int
	hashes map[int]string       // of accessors' data, as they were asked for
	uris   map[int][]byte       // of buffers' data URIs, decoded
	files  map[int]format.Input // of buffers that are files
}

// open parses a file as far as its JSON goes.
func open(in format.Input) (*document, error) {
	d := &document{in: in, lists: map[string][]int{}, hashes: map[int]string{}, uris: map[int][]byte{}, files: map[int]format.Input{}}
	head, err := format.ReadSpan(in, 0, min(in.Size(), header), header)
	if err != nil {
		return nil, err
	}
	var b []byte
	if len(head) >= 4 && binary.LittleEndian.Uint32(head) == magic {
		d.binary = true
		if err := d.readChunks(head); err != nil {
			return nil, err
		}
		b, err = format.ReadSpan(in, d.chunks[0].off, d.chunks[0].n, maxText)
	} else {
		b, err = format.ReadSpan(in, 0, in.Size(), maxText)
	}
	if err != nil {
		return nil, err
	}
	if len(b) >= 3 && string(b[:3]) == "\xef\xbb\xbf" {
		b = b[3:]
		d.off += 3
	}
	if d.text, err = parse(b); err != nil {
		return nil, err
	}
	return d, d.index()
}

// readChunks finds the chunks of a GLB. What ends early is found to do so, but only Validate minds what is missing
// behind the JSON.
func (d *document) readChunks(head []byte) error {
	if len(head) < header {
		return format.Malformed("a GLB of %d bytes", len(head))
	}
	version := binary.LittleEndian.Uint32(head[4:])
	if version == 1 {
		return format.Unsupported("glTF 1.0")
	}
	if version != 2 {
		return format.Unsupported("GLB of version %d", version)
	}
	for at := int64(header); at+8 <= d.in.Size() && len(d.chunks) < maxChunks; {
		b, err := format.ReadSpan(d.in, at, 8, 8)
		if err != nil {
			return err
		}
		c := chunk{off: at + 8, n: int64(binary.LittleEndian.Uint32(b)), kind: binary.LittleEndian.Uint32(b[4:])}
		if c.n > d.in.Size()-c.off {
			if len(d.chunks) == 0 {
				return format.Malformed("the JSON has %d bytes, and the file ends after %d", c.n, d.in.Size()-c.off)
			}
			c.n = d.in.Size() - c.off
		}
		d.chunks = append(d.chunks, c)
		if c.kind == chunkBIN && d.bin.off == 0 {
			d.bin = c
		}
		at = c.off + c.n
	}
	if len(d.chunks) == 0 || d.chunks[0].kind != chunkJSON {
		return format.Malformed("a GLB without JSON in its first chunk")
	}
	d.off = d.chunks[0].off
	return nil
}

// index finds the lists.
func (d *document) index() error {
	if d.tape[0].kind != '{' {
		return format.Malformed("the JSON is no object")
	}
	version := d.string(d.get(0, "asset", "version"))
	if strings.HasPrefix(version, "1.") || version == "" && d.get(0, meshes) >= 0 && d.tape[d.get(0, meshes)].kind == '{' {
		return format.Unsupported("glTF 1.0")
	}
	if version == "" {
		return format.Malformed("the asset has no version")
	}
	if !strings.HasPrefix(version, "2.") {
		return format.Unsupported("glTF %.16s", version)
	}
	for _, list := range allLists() {
		at := d.get(0, listPath(list)...)
		if at < 0 {
			continue
		}
		if d.tape[at].kind != '[' {
			return format.Malformed("%s is no list", list)
		}
		for k := range d.items(at) {
			if d.tape[k].kind != '{' {
				return format.Malformed("%s has something that is no object, at %d", list, d.tape[k].off)
			}
			d.lists[list] = append(d.lists[list], k)
		}
	}
	return nil
}

// name returns the name of an element.
func (d *document) name(list string, i int) string { return d.string(d.get(d.lists[list][i], "name")) }

// idOf names an element in its file.
func idOf(list string, i int) string { return fmt.Sprintf("%s/%d", list, i) }

// parseID finds an element by its ID.
func (d *document) parseID(id string) (list string, i int, err error) {
	list, _, _ = strings.Cut(id, "/")
	if _, err = fmt.Sscanf(id, list+"/%d", &i); err == nil && i >= 0 && i < len(d.lists[list]) && id == idOf(list, i) {
		return list, i, nil
	}
	return "", 0, fmt.Errorf("%w: %.80q", format.ErrNoElement, id)
}
