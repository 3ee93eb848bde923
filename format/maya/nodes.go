package maya

import (
	"slices"
	"strings"

	"varve/format"
)

// heldBy says what kind of file an attribute of a node names, by the type of the node and either name of the attribute, as
// Maya and the renderers for it have them; "" for others. "folder" is the folder of a cache, "name" what it is called there.
func heldBy(node, attr string) string {
	is := func(kind string, names ...string) string {
		if slices.Contains(names, attr) {
			return kind
		}
		return ""
	}
	switch node {
	case "file", "psdFileTex", "movie", "mentalrayTexture":
		return is("texture", "ftn", "fileTextureName")
	case "imagePlane":
		return is("texture", "imn", "imageName")
	case "mentalrayIblShape":
		return is("texture", "tx", "texture")
	case "aiImage", "PxrTexture", "PxrNormalMap", "PxrBump":
		return is("texture", "filename")
	case "PxrDomeLight":
		return is("texture", "rman__LightColorMap", "lightColorMap")
	case "RedshiftNormalMap", "RedshiftSprite", "RedshiftDomeLight":
		return is("texture", "tex0")
	case "audio":
		return is("sound", "f", "filename")
	case "AlembicNode":
		return is("cache", "fn", "abc_File", "fns", "abc_layerFiles")
	case "gpuCache":
		return is("cache", "cfn", "cacheFileName")
	case "cacheFile":
		return is("folder", "cp", "cachePath") + is("name", "cn", "cacheName")
	case "assemblyDefinition":
		return is("scene", "rda", "repData")
	case "assemblyReference":
		return is("scene", "def", "definition")
	case "mayaUsdProxyShape":
		return is("scene", "fp", "filePath")
	case "aiStandIn":
		return is("scene", "dso")
	case "RedshiftProxyMesh", "VRayMesh":
		return is("scene", "fn", "fileName")
	case "aiVolume":
		return is("volume", "filename")
	case "RedshiftVolumeShape":
		return is("volume", "fn", "fileName")
	case "VRayVolumeGrid":
		return is("volume", "if", "inFile")
	case "aiPhotometricLight":
		return is("light", "ai_filename", "aiFilename")
	case "VRayLightIESShape":
		return is("light", "ief", "iesFile")
	case "RedshiftIESLight":
		return is("light", "profile")
	}
	return ""
}

// geometry are attributes, by their short names, that are the shape of a thing.
func geometry(attr string) bool {
	switch attr {
	case "vt", "ed", "fc", "n", "pt", "cc", "uvst", "clst", "cvd", "pd", "iog", "cp", "cuvs", "dcol", "ws":
		return true
	}
	return false
}

// movement are those that say where it is.
func movement(attr string) bool {
	switch attr {
	case "t", "r", "s", "sh", "rp", "rpt", "sp", "spt", "ro", "ra", "jo", "it", "tx", "ty", "tz", "rx", "ry", "rz", "sx", "sy", "sz", "tmrp":
		return true
	}
	return false
}

// set is setAttr "attr" … of a node.
func (s *scene) set(st *statement, n *node, at int) {
	k := 1
	for k < len(st.words) && !st.words[k].quoted { // -k off, -s 4, -av
		k++
	}
	if k == len(st.words) {
		return
	}
	name := s.text(st.words[k])
	attr := name[strings.LastIndexByte(name, '.')+1:]
	head, _, _ := strings.Cut(strings.TrimPrefix(name, "."), ".")
	head, _, _ = strings.Cut(head, "[")
	rest := st.words[k+1:]
	switch {
	case geometry(head) && n.kind != "transform":
		s.sum(st, n, "geometry")
	case movement(head):
		s.sum(st, n, "transform")
	default:
		s.sum(st, n, "attributes")
	}
	if len(rest) == 1 && !rest[0].quoted {
		switch value := s.text(rest[0]); attr {
		case "ufe", "useFrameExtension", "useSequence":
			n.frames = value == "yes" || value == "on" || value == "true" || value == "1"
		case "uvt", "uvTilingMode":
			if len(value) == 1 {
				n.tiling = int(value[0] - '0')
			}
		}
	}
	attr, _, _ = strings.Cut(attr, "[")
	s.hold(n, at, attr, rest)
}

// hold takes the values of an attribute that names files.
func (s *scene) hold(n *node, at int, attr string, rest []word) {
	if len(rest) < 3 || s.text(rest[0]) != "-type" || attr == "" {
		return
	}
	values := rest[2:3]
	switch s.text(rest[1]) {
	case "string":
	case "stringArray": // count "…" "…"
		values = rest[3:]
	default:
		return
	}
	kind := heldBy(n.kind, attr)
	for _, w := range values {
		if kind == "" || !w.quoted || w.from == w.to || len(s.places) >= format.MaxReferences {
			continue
		}
		value := means(s.b[w.from:w.to])
		p := place{span: w.span, kind: kind, node: at, texture: kind == "texture"}
		switch kind {
		case "name":
			s.nameCache(at, value)
			continue
		case "folder":
			p.kind, p.suffix = "cache", n.file // the name, if it came first
		default:
			if n.file == "" {
				n.file = value
			}
		}
		s.places = append(s.places, p)
	}
}

// nameCache gives the folder of a cache the name of the files in it.
func (s *scene) nameCache(at int, name string) {
	s.nodes[at].file = name
	for i := len(s.places) - 1; i >= 0 && s.places[i].node == at; i-- {
		s.places[i].suffix = name
	}
}
