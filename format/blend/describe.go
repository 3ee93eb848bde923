package blend

import (
	"fmt"
	"strconv"
	"strings"
)

// describe adds what Blender shows of a data-block.
func (f *file) describe(g *group, p map[string]string) error {
	v, err := f.root(g)
	if err != nil {
		return err
	}
	switch v.s.name {
	case "Object":
		f.describeObject(v, p)
	case "Mesh":
		for _, c := range [][]string{{"vertices", "verts_num", "totvert"}, {"edges", "edges_num", "totedge"}, {"faces", "faces_num", "totpoly", "totface"}} {
			put(p, c[0], strconv.FormatInt(v.int(c[1:]...), 10))
		}
		if v.has("totpoly") && v.int("totpoly") == 0 && v.int("totface") > 0 { // of before 2.63
			p["faces"] = strconv.FormatInt(v.int("totface"), 10)
		}
	case "Material":
		put(p, "color", numbers([]float64{v.float("r"), v.float("g"), v.float("b")}))
		shader, err := f.shader(g)
		if err == nil && shader.has("value") {
			put(p, "base color", numbers(shader.floats(4, "value")))
		}
		return err
	case "Lamp", "Light":
		put(p, "type", lightOf(v.int("type")))
		put(p, "energy", number(v.float("energy")))
		put(p, "color", numbers([]float64{v.float("r"), v.float("g"), v.float("b")}))
	case "Camera":
		put(p, "lens", number(v.float("lens")))
		put(p, "type", [...]string{"perspective", "orthographic", "panoramic"}[min(max(v.int("type"), 0), 2)])
	case "Image":
		put(p, "path", v.text("filepath", "name"))
		if f.packed(v) {
			p["packed"] = "true"
		}
	case "bSound", "VFont", "MovieClip", "CacheFile", "Volume":
		put(p, "path", v.text("filepath", "name"))
	case "Library":
		put(p, "path", g.key[2:])
	case "World":
		put(p, "color", numbers([]float64{v.float("horr"), v.float("horg"), v.float("horb")}))
	case "Scene":
		put(p, "camera", f.nameOf(v.pointer("camera")))
		r := v.inner("r")
		put(p, "frames", fmt.Sprintf("%d-%d", r.int("sfra"), r.int("efra")))
		put(p, "size", fmt.Sprintf("%d×%d", r.int("xsch"), r.int("ysch")))
		put(p, "engine", r.text("engine"))
	case "Collection", "Group":
		return f.describeCollection(g, v, p)
	}
	return nil
}

func (f *file) describeObject(v view, p map[string]string) {
	put(p, "type", objectOf(v.int("type")))
	put(p, "data", f.nameOf(v.pointer("data")))
	put(p, "parent", f.nameOf(v.pointer("parent")))
	put(p, "location", numbers(v.floats(3, "loc")))
	put(p, "scale", numbers(v.floats(3, "size", "scale")))
	switch mode := v.int("rotmode"); {
	case v.has("rotmode") && mode == 0:
		put(p, "rotation", "quaternion "+numbers(v.floats(4, "quat")))
	case mode == -1:
		put(p, "rotation", "axis "+numbers(v.floats(3, "rotAxis"))+" angle "+number(v.float("rotAngle")))
	default:
		put(p, "rotation", numbers(v.floats(3, "rot")))
	}
}

func (f *file) describeCollection(g *group, v view, p map[string]string) error {
	var names []string
	err := f.list(f.addressed(g), v, "gobject", func(o view) bool {
		if n := f.nameOf(o.pointer("ob")); n != "" && len(names) < 100 {
			names = append(names, n[2:])
		}
		return true
	})
	put(p, "objects", strings.Join(names, ", "))
	return err
}

// packed reports whether a data-block has its file inside.
func (f *file) packed(v view) bool {
	return v.pointer("packedfile") != 0 || v.inner("packedfiles").pointer("first") != 0
}

func put(p map[string]string, key, value string) {
	if value != "" {
		p[key] = value
	}
}

// number writes a float of 32 bits as short as it is exact.
func number(x float64) string { return strconv.FormatFloat(x, 'g', -1, 32) }

func numbers(x []float64) string {
	out := make([]string, len(x))
	for i := range x {
		out[i] = number(x[i])
	}
	return strings.Join(out, " ")
}

func objectOf(t int64) string {
	switch t {
	case 0:
		return "empty"
	case 1:
		return "mesh"
	case 2:
		return "curve"
	case 3:
		return "surface"
	case 4:
		return "text"
	case 5:
		return "metaball"
	case 10:
		return "light"
	case 11:
		return "camera"
	case 12:
		return "speaker"
	case 13:
		return "light probe"
	case 22:
		return "lattice"
	case 25:
		return "armature"
	case 26, 30:
		return "grease pencil"
	case 27:
		return "curves"
	case 28:
		return "point cloud"
	case 29:
		return "volume"
	}
	return strconv.FormatInt(t, 10)
}

func lightOf(t int64) string {
	switch t {
	case 0:
		return "point"
	case 1:
		return "sun"
	case 2:
		return "spot"
	case 3:
		return "hemi"
	case 4:
		return "area"
	}
	return strconv.FormatInt(t, 10)
}
