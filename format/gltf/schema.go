package gltf

import (
	"slices"
	"strings"

	"varve/format"
)

// target returns the list into which a number at a path of an element of another list points; "" if it is no such
// number. Items of arrays are "*" in the path.
func target(list string, path []string) string {
	last := path[len(path)-1]
	at := func(want ...string) bool { return slices.Equal(path, want) }
	in := func(want ...string) bool { return len(path) == len(want)+1 && slices.Equal(path[:len(want)], want) }
	switch list {
	case scenes:
		if at(nodes, "*") {
			return nodes
		}
	case nodes:
		return nodeTarget(path)
	case meshes:
		switch {
		case in("primitives", "*", "attributes"), at("primitives", "*", "indices"), in("primitives", "*", "targets", "*"):
			return accessors
		case at("primitives", "*", "material"), at("primitives", "*", "extensions", variantMaterial, "mappings", "*", "material"):
			return materials
		case at("primitives", "*", "extensions", variantMaterial, "mappings", "*", variants, "*"):
			return variants
		case at("primitives", "*", "extensions", draco, "bufferView"):
			return bufferViews
		}
	case materials:
		if last == "index" && len(path) > 1 && strings.HasSuffix(path[len(path)-2], "Texture") {
			return textures
		}
		if at("extensions", "MSFT_lod", "ids", "*") {
			return materials
		}
	case textures:
		if at("sampler") {
			return samplers
		}
		if at("source") || len(path) == 3 && path[0] == "extensions" && last == "source" {
			return images
		}
	case images:
		if at("bufferView") {
			return bufferViews
		}
	case accessors:
		if at("bufferView") || at("sparse", "indices", "bufferView") || at("sparse", "values", "bufferView") {
			return bufferViews
		}
	case bufferViews:
		if at("buffer") || at("extensions", meshopt, "buffer") {
			return buffers
		}
	case skins:
		switch {
		case at("inverseBindMatrices"):
			return accessors
		case at("skeleton"), at("joints", "*"):
			return nodes
		}
	case animations:
		switch {
		case at("samplers", "*", "input"), at("samplers", "*", "output"):
			return accessors
		case at("channels", "*", "target", "node"):
			return nodes
		}
	}
	return ""
}

func nodeTarget(path []string) string {
	at := func(want ...string) bool { return slices.Equal(path, want) }
	switch {
	case at("children", "*"), at("extensions", "MSFT_lod", "ids", "*"):
		return nodes
	case at("mesh"):
		return meshes
	case at("camera"):
		return cameras
	case at("skin"):
		return skins
	case at("extensions", punctual, "light"):
		return lights
	case len(path) == 4 && path[0] == "extensions" && path[1] == "EXT_mesh_gpu_instancing" && path[2] == "attributes":
		return accessors
	}
	return ""
}

// reference is a number that points into a list.
type reference struct {
	token int
	to    string
	index int
}

// references returns what an element points to, in its order. ErrMalformed where nothing is there.
func (d *document) references(list string, i int) (out []reference, err error) {
	var path []string
	var walk func(k int)
	walk = func(k int) {
		switch d.tape[k].kind {
		case '{':
			for key, v := range d.members(k) {
				path = append(path, d.string(key))
				walk(v)
				path = path[:len(path)-1]
			}
		case '[':
			path = append(path, "*")
			for v := range d.items(k) {
				walk(v)
			}
			path = path[:len(path)-1]
		case '0':
			to := target(list, path)
			if to == "" || err != nil {
				return
			}
			n, ok := d.count(k)
			if !ok || n >= int64(len(d.lists[to])) {
				err = format.Malformed("%s has the %s %.20s, of %d", idOf(list, i), to, d.raw(k), len(d.lists[to]))
				return
			}
			out = append(out, reference{k, to, int(n)})
		}
	}
	walk(d.lists[list][i])
	return out, err
}

// foreign returns an extension in an element, of which it is not known what its numbers mean; "" if there is none.
// Extensions of materials name textures in one way, all of them.
func (d *document) foreign(list string, i int) (found string) {
	var walk func(k int)
	walk = func(k int) {
		for key, v := range d.members(k) {
			if d.string(key) == "extensions" {
				for name := range d.members(v) {
					if n := d.string(name); !known(list, n) {
						found = n
					}
				}
			}
			if d.string(key) != "extras" {
				walk(v)
			}
		}
		for v := range d.items(k) {
			walk(v)
		}
	}
	walk(d.lists[list][i])
	return found
}

func known(list, extension string) bool {
	switch list {
	case materials:
		return strings.HasPrefix(extension, "KHR_materials_") || extension == "KHR_texture_transform" || extension == "MSFT_lod"
	case textures:
		return slices.Contains([]string{"KHR_texture_basisu", "EXT_texture_webp", "EXT_texture_avif", "MSFT_texture_dds"}, extension)
	case meshes:
		return extension == draco || extension == variantMaterial
	case nodes:
		return slices.Contains([]string{punctual, "EXT_mesh_gpu_instancing", "MSFT_lod", "KHR_node_visibility"}, extension)
	}
	return false
}
