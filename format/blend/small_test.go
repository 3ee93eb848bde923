package blend

// document is a small still life, and what somebody did to it.
type document struct {
	session   uint64  // that saved it: addresses and other noise
	x         float64 // where the vase stands
	top       float64 // of its mesh
	red       float64 // of its glaze
	bump      float64 // of its shape key
	keyName   string
	image     string
	note      string // a property of the vase
	noBowl    bool   // an object that is gone, and its mesh
	bare      bool   // the collection is there, and has nothing in it
	noProps   bool   // the collection is gone: what was in it is in the scene's own
	noLinked  bool   // what is linked from a library is gone
	noLibrary bool   // and the library
	preview   bool
}

func still() document {
	return document{x: 1, top: 2, red: 0.5, bump: 3, keyName: "KEKey", image: "//textures/wood.png", note: "me"}
}

// address of a thing in a session.
func (d *document) at(n uint64) uint64 { return 0x20000 + n*0x40 + d.session*0x8000 }

const (
	aScene = 1 + iota
	aMaster
	aMasterItem
	aProps
	aItem1
	aItem2
	aVase
	aVaseSlots
	aBowl
	aVaseMesh
	aVaseMats
	aLayers
	aVerts
	aCorners
	aFaces
	aBowlMesh
	aKey
	aGlaze
	aTree
	aNode
	aSocket
	aValue
	aImage
	aLibrary
	aLinked
	aWindows
	aEditing
	aStrip
	aFolder
	aFiles
	aCache
	aPoints
	aChild
	aProperty
	aPropertyText
	aTools
	aOther
)

// make writes the document for a machine.
func (d document) make(k machine) *maker {
	m := newMaker(k)
	m.add("GLOB", "FileGlobal", d.at(90), values{"subversion": 6, "filename": "/home/me/still.blend"})
	if d.preview {
		pixels := append(m.ints(2, 2), 1, 2, 3, 255, 4, 5, 6, 255, 7, 8, 9, 255, 10, 11, 12, 0)
		m.blocks = append([]extra{{block{code: codeOf("TEST"), n: int64(len(pixels)), count: 1}, pixels}}, m.blocks...)
	}
	m.add("WM", "wmWindowManager", d.at(aWindows), d.id("WMWinMan", nil))
	d.scene(m)
	d.collection(m)
	d.objects(m)
	d.meshes(m)
	d.material(m)
	m.add("IM", "Image", d.at(aImage), d.id("IMwood.png", values{"name": d.image, "source": 1, "lastframe": int(d.session)}))
	if !d.noLibrary {
		m.add("LI", "Library", d.at(aLibrary), d.id("LILib", values{"name": "//set.blend", "filepath": "/somewhere/set.blend"}))
		if !d.noLinked {
			m.add("ID", "ID", d.at(aLinked), values{"name": "OBTable", "us": 1})
		}
	}
	m.add("LI", "Library", d.at(aOther), d.id("LILib.001", values{"name": "//other.blend"}))
	return m
}

// id adds the fields of a data-block, with what is new at every save.
func (d *document) id(name string, v values) values {
	out := values{"id.name": name, "id.us": 1 + int(d.session), "id.session_uuid": int(d.session) * 7, "id.next": d.at(aBowl), "id.prev": d.session * 0x99, "id.icon_id": int(d.session)}
	for k, x := range v {
		out[k] = x
	}
	return out
}

func (d *document) scene(m *maker) {
	first, tools := d.at(aMasterItem), uint64(0)
	if d.session > 0 {
		tools = d.at(aTools)
	}
	m.add("SC", "Scene", d.at(aScene), d.id("SCScene", values{"master_collection": d.at(aMaster), "r.cfra": 1 + int(d.session), "ed": d.at(aEditing), "tools": tools}))
	if d.session > 0 {
		m.add("DATA", "ToolSettings", tools, values{"brush": int(d.session)})
	}
	m.add("DATA", "Collection", d.at(aMaster), d.id("GRMaster", values{"gobject.first": first, "gobject.last": first, "children.first": d.at(aChild), "children.last": d.at(aChild)}))
	m.add("DATA", "CollectionObject", first, values{"ob": d.at(aVase)})
	if d.noProps {
		m.blocks[len(m.blocks)-2] = m.blocks[len(m.blocks)-1]
		m.blocks = m.blocks[:len(m.blocks)-1]
		m.add("DATA", "Collection", d.at(aMaster), d.id("GRMaster", values{"gobject.first": first, "gobject.last": first}))
	} else {
		m.add("DATA", "CollectionChild", d.at(aChild), values{"collection": d.at(aProps)})
	}
	m.add("DATA", "Editing", d.at(aEditing), values{"seqbase.first": d.at(aStrip), "seqbase.last": d.at(aStrip)})
	m.add("DATA", "Sequence", d.at(aStrip), values{"type": 0, "len": 3, "strip": d.at(aFolder)})
	m.add("DATA", "Strip", d.at(aFolder), values{"dir": "//shots/a/\x00stale", "stripdata": d.at(aFiles)})
	m.add("DATA", "StripElem", d.at(aFiles), values{"name": "a_0001.png"}, values{"name": "a_0002.png"}, values{"name": "a_0003.png"})
}

func (d *document) collection(m *maker) {
	if d.noProps {
		return
	}
	if d.bare {
		m.add("GR", "Collection", d.at(aProps), d.id("GRProps", nil))
		return
	}
	last := d.at(aItem2)
	if d.noBowl {
		last = d.at(aItem1)
	}
	m.add("GR", "Collection", d.at(aProps), d.id("GRProps", values{"gobject.first": d.at(aItem1), "gobject.last": last}))
	if d.noBowl {
		m.add("DATA", "CollectionObject", d.at(aItem1), values{"ob": d.at(aVase)})
		return
	}
	m.add("DATA", "CollectionObject", d.at(aItem1), values{"ob": d.at(aVase), "next": last})
	m.add("DATA", "CollectionObject", last, values{"ob": d.at(aBowl), "prev": d.at(aItem1)})
}

// above is a step up.
var above = []float64{1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 2, 1}

func (d *document) objects(m *maker) {
	m.add("OB", "Object", d.at(aVase), d.id("OBVase", values{"type": 1, "data": d.at(aVaseMesh), "loc": []float64{d.x, 0, 0},
		"size": []float64{1, 1, 1}, "mat": d.at(aVaseSlots), "totcol": 1, "flag": int(d.session & 1), "obmat": []float64{float64(d.session)},
		"modifiers.first": d.at(aCache), "modifiers.last": d.at(aCache), "id.properties": d.at(aProperty)}))
	m.raw(d.at(aVaseSlots), m.pointers(0))
	m.add("DATA", "MeshCacheModifierData", d.at(aCache), values{"name": "Cache", "filepath": "//cache/vase.mdd"})
	m.add("DATA", "PointCache", d.at(aPoints), values{"flag": 64})
	m.add("DATA", "IDProperty", d.at(aProperty), values{"type": 0, "name": "made by\x00" + string(rune('a'+d.session)), "pointer": d.at(aPropertyText)})
	note := make([]byte, 2*m.width()) // as long as the first struct, whose number it has, but not one of those
	copy(note, d.note)
	m.raw(d.at(aPropertyText), note)
	if !d.noBowl {
		m.add("OB", "Object", d.at(aBowl), d.id("OBBowl", values{"type": 1, "parent": d.at(aVase), "data": d.at(aBowlMesh), "loc": []float64{0, 5, 0},
			"size": []float64{1, 1, 1}, "parentinv": above}))
	}
}

// meshes: one as from 2.63, one of before.
func (d *document) meshes(m *maker) {
	m.add("ME", "Mesh", d.at(aVaseMesh), d.id("MEVaseMesh", values{"key": d.at(aKey), "mat": d.at(aVaseMats), "totcol": 1, "totvert": 5, "totloop": 7,
		"totpoly": 2, "vdata.layers": d.at(aLayers), "vdata.totlayer": 1, "mvert": d.at(aVerts), "mloop": d.at(aCorners), "mpoly": d.at(aFaces),
		"vdata.maxlayer": 5 + int(d.session)}))
	m.raw(d.at(aVaseMats), m.pointers(d.at(aGlaze)))
	m.add("DATA", "CustomDataLayer", d.at(aLayers), values{"type": layerVert, "data": d.at(aVerts), "active": int(d.session)})
	vert := func(x, y, z float64) values {
		return values{"co": []float64{x, y, z}, "flag": int(d.session & 1), "_pad": string([]byte{byte(d.session), 0})}
	}
	m.add("DATA", "MVert", d.at(aVerts), vert(0, 0, 0), vert(2, 0, 0), vert(2, 1, 0), vert(0, 1, 0), vert(0, 0, d.top))
	var corners []values
	for _, v := range []int{0, 1, 2, 3, 0, 1, 4} {
		corners = append(corners, values{"v": v})
	}
	m.add("DATA", "MLoop", d.at(aCorners), corners...)
	m.add("DATA", "MPoly", d.at(aFaces), values{"loopstart": 0, "totloop": 4}, values{"loopstart": 4, "totloop": 3})
	if !d.noBowl {
		m.add("ME", "Mesh", d.at(aBowlMesh), d.id("MEBowlMesh", values{"totvert": 3, "totface": 1, "mvert": d.at(aBowlMesh + 1000), "mface": d.at(aBowlMesh + 1001)}))
		m.add("DATA", "MVert", d.at(aBowlMesh+1000), vert(0, 0, 0), vert(1, 0, 0), vert(0, 1, 0))
		m.add("DATA", "MFace", d.at(aBowlMesh+1001), values{"v1": 0, "v2": 1, "v3": 2})
	}
	m.add("KE", "Key", d.at(aKey), d.id(d.keyName, values{"from": d.at(aVaseMesh), "ctime": d.bump}))
}

func (d *document) material(m *maker) {
	m.add("MA", "Material", d.at(aGlaze), d.id("MAGlaze", values{"r": 0.25, "ima": d.at(aImage), "nodetree": d.at(aTree)}))
	m.add("DATA", "bNodeTree", d.at(aTree), d.id("NTShader Nodetree", values{"nodes.first": d.at(aNode), "nodes.last": d.at(aNode), "chosen": int(d.session)}))
	m.add("DATA", "bNode", d.at(aNode), values{"name": "Principled", "idname": "ShaderNodeBsdfPrincipled", "inputs.first": d.at(aSocket), "inputs.last": d.at(aSocket),
		"flag": int(d.session & 1)})
	m.add("DATA", "bNodeSocket", d.at(aSocket), values{"name": "Base Color", "default_value": d.at(aValue)})
	m.add("DATA", "bNodeSocketValueRGBA", d.at(aValue), values{"value": []float64{d.red, 0.1, 0.2, 1}})
}

// bytes is the document as a file.
func (d document) bytes(k machine) []byte { return d.make(k).bytes() }
