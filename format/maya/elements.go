package maya

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"varve/format"
)

// Elements lists the nodes of a scene of text.
func (Format) Elements(ctx context.Context, in format.Input) ([]format.Element, error) {
	if isBinary(in) {
		return nil, format.Unsupported("what is in a binary scene")
	}
	s, err := open(ctx, in)
	if err != nil {
		return nil, err
	}
	ids := s.ids()
	uuids := map[string]int{}
	for i := range s.nodes {
		uuids[s.nodes[i].uuid]++
	}
	links := map[int][]string{}
	for _, l := range s.links {
		if i, ok := s.find(l.to); ok {
			links[i] = append(links[i], l.text)
		}
	}
	var out []format.Element
	for i := range s.nodes {
		if i&0xfff == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		n := &s.nodes[i]
		if s.ofWindow(n) {
			continue
		}
		e := format.Element{ID: ids[i], Kind: kindOf(n), Name: n.name, Bytes: n.bytes, Properties: map[string]string{"type": n.kind}, Aspects: map[string]string{}}
		if uuids[n.uuid] == 1 && n.uuid != "" {
			e.Stable = n.uuid
		}
		if n.parent >= 0 && !s.ofWindow(&s.nodes[n.parent]) {
			e.Parent = ids[n.parent]
		}
		if n.file != "" {
			e.Properties["file"] = n.file
		}
		for aspect, h := range n.sums {
			e.Aspects[aspect] = hex.EncodeToString(h.Sum(nil)[:16])
		}
		if l := links[i]; len(l) > 0 {
			slices.Sort(l) // Maya writes them in no order that holds
			e.Aspects["connections"] = format.HashOf([]byte(strings.Join(l, "\n")))
		}
		out = append(out, e)
	}
	return out, nil
}

// ids returns the ids of nodes.
func (s *scene) ids() []string {
	out := make([]string, len(s.nodes))
	used := make(map[string]int, len(s.nodes))
	for i := range s.nodes {
		id := s.path(i)
		if id == "" {
			id = s.nodes[i].kind
		}
		for used[id] > 0 {
			used[id]++
			id = fmt.Sprintf("%s#%d", id, used[id])
		}
		used[id] = 1
		out[i] = id
	}
	return out
}

// ofWindow: a node is how the window looked when the scene was saved.
func (s *scene) ofWindow(n *node) bool {
	switch n.kind {
	case "nodeGraphEditorInfo", "hyperLayout", "hyperView", "hyperGraphInfo", "trackInfoManager":
		return true
	}
	if n.shared && (n.kind == "transform" || n.kind == "camera") {
		switch strings.TrimSuffix(n.name, "Shape") {
		case "persp", "top", "front", "side":
			return true
		}
	}
	return n.name == "uiConfigurationScriptNode" || n.chosen && n.name == "time1"
}

// kindOf says what a node is by its type.
func kindOf(n *node) string {
	k := n.kind
	switch k {
	case "transform":
		return "group"
	case "mesh", "nurbsSurface", "subdiv":
		return "mesh"
	case "nurbsCurve", "bezierCurve":
		return "curve"
	case "camera", "joint", "reference", "settings", "script":
		return k
	case "file", "psdFileTex", "movie", "imagePlane", "aiImage", "PxrTexture":
		return "texture"
	case "audio":
		return "sound"
	case "displayLayer", "renderLayer":
		return "layer"
	case "lambert", "blinn", "phong", "phongE", "anisotropic", "surfaceShader", "standardSurface", "openPBRSurface", "rampShader", "layeredShader", "useBackground",
		"aiStandardSurface", "StingrayPBS", "RedshiftMaterial", "RedshiftStandardMaterial", "VRayMtl", "PxrSurface", "usdPreviewSurface":
		return "material"
	case "shadingEngine", "materialInfo":
		return "shading"
	}
	switch {
	case strings.HasPrefix(k, "animCurve"):
		return "animation"
	case strings.HasSuffix(k, "Light"):
		return "light"
	}
	return "node"
}
