package blend

import (
	"encoding/binary"
	"strings"
)

// plan is what has to be done with each of many structs of one kind: worked out once, so that no name is looked at for
// every block.
type plan struct {
	s        *structure
	class    class
	mask     []byte // of one struct: the bits that are content; nil: all are
	pattern  []byte // mask repeated to whole words
	pointers []pointer
	texts    []extent
}

// pointer is where one lies in a struct.
type pointer struct {
	off   int
	field int  // of the struct's own fields, the one that it is in
	array bool // it leads to an array of pointers
	quiet bool // what it leads to is no content
}

type extent struct{ off, n int }

// flat reports whether structs are content as they are.
func (p *plan) flat() bool { return p.mask == nil && len(p.pointers) == 0 && len(p.texts) == 0 }

// plan returns the plan of a struct.
func (f *file) plan(s *structure) *plan {
	i := f.dna.index[s.name]
	if f.plans[i] == nil {
		f.plans[i] = f.compile(s)
	}
	return f.plans[i]
}

func (f *file) compile(s *structure) *plan {
	p := &plan{s: s, class: classOf(s.name)}
	c := compiler{f: f, p: p, mask: make([]byte, s.size)}
	for i := range c.mask {
		c.mask[i] = 0xff
	}
	for i := range s.fields {
		c.top = i
		c.field(s, &s.fields[i], 0, false)
	}
	if c.masked {
		p.mask, p.pattern = c.mask, c.mask
		for len(p.pattern)%8 != 0 || len(p.pattern) < 64 {
			p.pattern = append(p.pattern[:len(p.pattern):len(p.pattern)], c.mask...)
		}
	}
	return p
}

type compiler struct {
	f      *file
	p      *plan
	mask   []byte
	masked bool
	top    int
}

// field takes in a field of s, which lies at off.
func (c *compiler) field(s *structure, d *field, off int, quiet bool) {
	off += d.off
	quiet = quiet || noise(s, d)
	switch {
	case d.stars > 0:
		w := d.size / d.count
		for i := range d.count {
			c.p.pointers = append(c.p.pointers, pointer{off + i*w, c.top, d.stars > 1, quiet})
		}
		c.clear(off, d.size)
	case d.inner >= 0:
		inner := &c.f.dna.structs[d.inner]
		for i := range d.count {
			if inner.size == 0 {
				break
			}
			for j := range inner.fields {
				c.field(inner, &inner.fields[j], off+i*inner.size, quiet)
			}
		}
	case quiet:
		c.clear(off, d.size)
	case d.typ == "char" && d.last >= shortest:
		for i := range d.count / d.last {
			c.p.texts = append(c.p.texts, extent{off + i*d.last, d.last})
		}
	default:
		if bits := selection(s.name, d.name); bits != 0 && d.size > 0 {
			c.masked = true
			if c.f.header.order == binary.LittleEndian {
				c.mask[off] &^= bits
			} else {
				c.mask[off+d.size-1] &^= bits
			}
		}
	}
}

// shortest is the least length of a char array that is a string: after its end it has what was there before.
const shortest = 16

func (c *compiler) clear(off, n int) {
	clear(c.mask[off : off+n])
	c.masked = c.masked || n > 0
}

// class is the aspect that content belongs to.
type class uint8

const (
	unset     class = iota // that of what leads to it
	data                   // of no other
	transform              // of an object
	geometry
	nodes
	animation
	modifiers
	custom // what users and scripts put on things
	pixels // packed files
	script // lines of text
	idle   // no content: interface, previews, what is worked out anew
	classes
)

// aspect is a class's name.
func (c class) aspect() string {
	switch c {
	case transform:
		return "transform"
	case geometry:
		return "geometry"
	case nodes:
		return "nodes"
	case animation:
		return "animation"
	case modifiers:
		return "modifiers"
	case custom:
		return "properties"
	case pixels:
		return "packed"
	case script:
		return "text"
	}
	return "data"
}

// classOf is the class of blocks of a struct.
func classOf(name string) class {
	switch name {
	case "MVert", "MEdge", "MLoop", "MPoly", "MFace", "TFace", "MTFace", "MCol", "MTexPoly", "MLoopUV", "MLoopCol", "MDeformVert",
		"MDeformWeight", "MSticky", "MDisps", "GridPaintMask", "MVertSkin", "FreestyleEdge", "FreestyleFace", "OrigSpaceFace", "OrigSpaceLoop",
		"MPropCol", "MFloatProperty", "MIntProperty", "MStringProperty", "MBoolProperty", "MInt8Property", "CustomDataLayer",
		"CustomDataExternal", "KeyBlock", "Nurb", "BPoint", "CharInfo", "MetaElem", "bGPDstroke", "bGPDspoint", "Attribute", "AttributeArray",
		"AttributeSingle", "vec2f", "vec3f", "vec4f", "vec3i", "vec2i", "vec4i":
		return geometry
	case "AnimData", "FCurve", "FModifier", "FPoint", "ChannelDriver", "DriverVar", "NlaTrack", "NlaStrip", "bActionGroup", "IpoCurve",
		"IpoDriver", "ActionLayer", "ActionStrip", "ActionChannelbag", "ActionSlot", "bActionChannel", "KeyingSet", "KS_Path":
		return animation
	case "IDProperty", "bProperty":
		return custom
	case "PackedFile", "ImagePackedFile":
		return pixels
	case "TextLine":
		return script
	case "PreviewImage", "ToolSettings", "LayerCollection", "MSelect", "GpPaint", "GpVertexPaint", "GpSculptPaint", "GpWeightPaint", "VPaint",
		"Sculpt", "UvSculpt", "CurvesSculpt", "SceneStats", "MRecast", "ARegion", "ScrArea", "SpaceLink", "TransformOrientationSlot":
		return idle
	}
	switch {
	case strings.HasPrefix(name, "bNode"), strings.HasPrefix(name, "Node"):
		return nodes
	case strings.HasSuffix(name, "ModifierData"):
		return modifiers
	}
	return unset
}

// rootClass is the class of a field of a data-block itself.
func rootClass(s *structure, d *field) class {
	switch s.name {
	case "Object":
		switch d.name {
		case "loc", "dloc", "size", "scale", "dsize", "dscale", "rot", "drot", "quat", "dquat", "rotAxis", "drotAxis", "rotAngle",
			"drotAngle", "rotmode", "parentinv":
			return transform
		}
	case "Mesh":
		switch d.name {
		case "loc", "size", "texspace_location", "texspace_size": // of the bounds
			return geometry
		}
		if d.typ == "CustomData" || d.typ == "AttributeStorage" || strings.HasPrefix(d.name, "tot") || d.stars == 1 && classOf(d.typ) == geometry {
			return geometry
		}
	}
	return data
}

// noise reports whether a field of a struct is no content: an address book, a count of users, a choice in the interface,
// what is worked out from the rest.
func noise(s *structure, d *field) bool {
	n := d.name
	if strings.HasPrefix(n, "_pad") || strings.HasPrefix(n, "pad") && d.stars == 0 && strings.Trim(n[3:], "0123456789") == "" ||
		strings.HasPrefix(n, "session_u") || strings.HasPrefix(n, "recalc") || n == "runtime" || n == "Runtime" || n == "_dummy" ||
		n == "changed_timestamp" {
		return true
	}
	switch s.name {
	case "ID":
		switch n {
		case "next", "prev", "newid", "orig_id", "us", "icon_id", "tag", "flag", "py_instance", "library_weak_reference":
			return true
		}
	case "Object":
		return noiseOfObject(n)
	case "Scene":
		switch n {
		case "basact", "obedit", "cursor", "theDag", "depsgraph_hash", "toolsettings", "stats", "fps_info", "sculpt_brush", "lay_updated",
			"customdata_mask", "customdata_mask_modal", "transform_spaces", "active_keyingset":
			return true
		}
	case "IDProperty":
		return n == "totallen" // that there is room for
	case "bPoseChannel":
		switch n { // all but the first follow from the rest
		case "selectflag", "chan_mat", "pose_mat", "pose_head", "pose_tail", "disp_mat", "disp_tail_mat", "constinv", "ctime":
			return true
		}
	case "RenderData":
		return n == "cfra" || n == "subframe"
	case "Collection":
		return n == "tag" || n == "object_cache" || n == "object_cache_instanced" || n == "parents"
	case "MovieClip":
		return n == "lastframe" || n == "lastsize"
	case "CacheFile":
		return n == "handle_filepath" || n == "handle"
	case "Base":
		return n == "flag" || n == "flag_legacy" || n == "flag_from_collection" || n == "sx" || n == "sy" || n == "local_view_bits" ||
			n == "local_collections_bits"
	case "ViewLayer":
		return n == "basact" || n == "object_bases" || n == "layer_collections" || n == "active_collection" || n == "drawdata" || n == "stats" ||
			n == "active_aov" || n == "active_lightgroup"
	case "Mesh":
		return n == "act_face" || n == "totselect" || n == "mselect" || n == "editflag" || n == "cd_flag" || n == "edit_btmesh" ||
			n == "edit_mesh" || n == "attributes_active_index"
	case "CustomData":
		return n == "typemap" || n == "maxlayer" || n == "totsize" || n == "pool"
	case "CustomDataLayer":
		return n == "active" || n == "active_clone" || n == "active_mask" || n == "flag"
	case "bNodeTree":
		return n == "view_center" || n == "cur_index" || n == "active_viewer_key" || n == "execdata" || n == "is_updating" || n == "init" ||
			n == "update" || n == "changed" || n == "chosen" || n == "previews"
	case "bNode":
		return n == "butr" || n == "prvr" || n == "totr" || n == "done" || n == "need_exec" || n == "lasty" || n == "update" || n == "exec" ||
			n == "block" || n == "miniwidth" || n == "level" || n == "branch_tag" || n == "iter_flag" || n == "scroll_top"
	case "bNodeSocket":
		return n == "locx" || n == "locy" || n == "stack_index" || n == "stack_type" || n == "own_index" || n == "to_index" || n == "cache" ||
			n == "groupsock" && d.stars > 0
	case "Image":
		return n == "lastframe" || n == "lastused" || n == "tpageflag" || n == "totbind" || n == "gputexture" || n == "gpuflag" || n == "gpuframenr" ||
			n == "gpu_pass" || n == "gpu_layer" || n == "gpu_view" || n == "gpu_slot" || n == "bindcode" || n == "repbind" || n == "render_slot" ||
			n == "last_render_slot" || n == "eye" || n == "lastupdate" || n == "gpuframe" || n == "anims" || n == "rr" || n == "ok" || n == "renders" ||
			n == "ibufs"
	case "bArmature", "Bone":
		return n == "act_bone" || n == "act_edbone" || n == "edbo"
	case "Text":
		return n == "curl" || n == "sell" || n == "curc" || n == "selc" || n == "undo_buf" || n == "undo_len" || n == "undo_pos" || n == "mtime" ||
			n == "compiled"
	case "Library":
		return n == "filepath_abs" || n == "filepath" && libraryPath(s) != n || n == "versionfile" || n == "subversionfile" ||
			n == "filedata" || n == "tag" || n == "temp_index" || n == "archive_parent_library"
	}
	switch n {
	case "preview", "drawdata", "gpumaterial", "icon_id", "derivedFinal", "derivedDeform", "DrawDataList":
		return true
	}
	return false
}

func noiseOfObject(n string) bool {
	switch n {
	case "obmat", "imat", "imat_ren", "object_to_world", "world_to_object", "constinv", "base_flag", "base_local_view_bits", "bb", "bsoft_runtime",
		"derivedDeform", "derivedFinal", "lastDataMask", "customdata_mask", "lastNeedMapping", "restore_mode", "state", "init_state",
		"actcol", "mode", "restrictflag_runtime", "actdef", "actfmap", "curve_cache", "path", "displist", "gpulamp", "pc_ids", "boundtype_runtime",
		"col_group", "selectcol", "bgpd":
		return true
	}
	return false
}

// selection is the bits of a flag that say what is selected or active.
func selection(s, name string) byte {
	switch name {
	case "flag":
		switch s {
		case "Object", "MVert", "MEdge", "Base", "bNodeSocket", "bActionGroup", "Strip", "Sequence", "bActionChannel", "EditBone":
			return 1
		case "MPoly", "MFace", "NlaTrack", "NlaStrip":
			return 2
		case "bNode":
			return 1 | 64
		case "Collection": // it has a cache
			return 16 | 64
		case "FCurve", "IpoCurve":
			return 2 | 4
		case "Bone":
			return 1 | 2 | 4 | 8
		case "bGPDstroke":
			return 2
		case "bGPDspoint":
			return 1
		}
	case "f1", "f2", "f3":
		if s == "BezTriple" || s == "BPoint" {
			return 1
		}
	case "selcol1", "selcol2":
		return 0xff
	}
	return 0
}
