package psd

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"varve/format"
)

// workers is how many channels are decoded at once.
func workers() int { return min(runtime.GOMAXPROCS(0), 8) }

// blendName is what Photoshop calls a blend mode, in lower case.
func blendName(key string) string {
	switch key {
	case "pass":
		return "pass through"
	case "norm":
		return "normal"
	case "diss":
		return "dissolve"
	case "dark":
		return "darken"
	case "mul ":
		return "multiply"
	case "idiv":
		return "color burn"
	case "lbrn":
		return "linear burn"
	case "dkCl":
		return "darker color"
	case "lite":
		return "lighten"
	case "scrn":
		return "screen"
	case "div ":
		return "color dodge"
	case "lddg":
		return "linear dodge"
	case "lgCl":
		return "lighter color"
	case "over":
		return "overlay"
	case "sLit":
		return "soft light"
	case "hLit":
		return "hard light"
	case "vLit":
		return "vivid light"
	case "lLit":
		return "linear light"
	case "pLit":
		return "pin light"
	case "hMix":
		return "hard mix"
	case "diff":
		return "difference"
	case "smud":
		return "exclusion"
	case "fsub":
		return "subtract"
	case "fdiv":
		return "divide"
	case "hue ":
		return "hue"
	case "sat ":
		return "saturation"
	case "colr":
		return "color"
	case "lum ":
		return "luminosity"
	}
	return strings.TrimSpace(key)
}

// adjustmentName is what a block adjusts; "" if it is no adjustment.
func adjustmentName(key string) string {
	switch key {
	case "brit", "CgEd":
		return "brightness/contrast"
	case "levl":
		return "levels"
	case "curv":
		return "curves"
	case "expA":
		return "exposure"
	case "vibA":
		return "vibrance"
	case "hue2", "hue ":
		return "hue/saturation"
	case "blnc":
		return "color balance"
	case "blwh":
		return "black & white"
	case "phfl":
		return "photo filter"
	case "mixr":
		return "channel mixer"
	case "clrL":
		return "color lookup"
	case "nvrt":
		return "invert"
	case "post":
		return "posterize"
	case "thrs":
		return "threshold"
	case "selc":
		return "selective color"
	case "grdm":
		return "gradient map"
	}
	return ""
}

// fillName is what a block fills with; "" if it is no fill.
func fillName(key string) string {
	switch key {
	case "SoCo":
		return "solid color"
	case "GdFl":
		return "gradient"
	case "PtFl":
		return "pattern"
	}
	return ""
}

// aspectOf is the aspect that a block belongs to; "" where it says nothing of the content: names, numbers, what is a
// property.
func aspectOf(key string) string {
	switch key {
	case "luni", "lnsr", "lyid", "lyvr", "lsct", "lsdk", "lclr", "lspf", "iOpa", "fxrp":
		return ""
	case "TySh", "tySh":
		return "text"
	case "lfx2", "lrFX", "lmfx", "lfxs":
		return "effects"
	case "vmsk", "vsms", "vogk", "vstk", "vscg", "vowv":
		return "vector"
	case "SoLd", "SoLE", "PlLd", "plLd":
		return "smart object"
	case "artb", "artd", "abdd":
		return "artboard"
	}
	if adjustmentName(key) != "" {
		return "adjustment"
	}
	if fillName(key) != "" {
		return "fill"
	}
	return "other"
}

// kind is the kind of a layer.
func (l *layer) kind(group bool) string {
	if group {
		if l.block("artb", "artd", "abdd") != nil {
			return "artboard"
		}
		return "group"
	}
	switch {
	case l.block("TySh", "tySh") != nil:
		return "text"
	case l.block("SoLd", "SoLE", "PlLd", "plLd") != nil:
		return "smart object"
	}
	fill := l.block("SoCo", "GdFl", "PtFl", "vscg") != nil
	if fill && l.block("vmsk", "vsms") != nil {
		return "shape"
	}
	if fill {
		return "fill"
	}
	for _, b := range l.blocks {
		if adjustmentName(b.key) != "" {
			return "adjustment"
		}
	}
	return "layer"
}

// blendOf is the blend mode of a layer or a group.
func (l *layer) blendOf(group bool) string {
	if group && l.sectionBlend != "" {
		return l.sectionBlend
	}
	return l.blend
}

// properties sets what the record says.
func (l *layer) properties(e *format.Element, group bool) {
	p := e.Properties
	p["blend"] = blendName(l.blendOf(group))
	p["opacity"] = percent(l.opacity)
	p["visible"] = fmt.Sprint(!l.hidden())
	if l.clipped {
		p["clipping"] = "true"
	}
	if l.fill != 255 {
		p["fill"] = percent(l.fill)
	}
	for _, b := range l.blocks {
		if name := adjustmentName(b.key); name != "" && e.Kind == "adjustment" {
			p["adjustment"] = name
		}
		if name := fillName(b.key); name != "" {
			p["fill with"] = name
		}
	}
}

// blocks sets what the blocks of a record say.
func (l *lister) blocks(k *layer, e *format.Element, contents func(*block) []byte) error {
	aspects := map[string][][]byte{}
	sorted := slices.Clone(k.blocks)
	slices.SortStableFunc(sorted, func(a, b block) int { return strings.Compare(a.key, b.key) })
	for i := range sorted {
		b := &sorted[i]
		c := contents(b)
		switch b.key {
		case "lspf":
			if text := locks(c, k.flags); text != "" {
				e.Properties["locked"] = text
			}
		case "lclr":
			if text := label(c); text != "" {
				e.Properties["color"] = text
			}
		case "TySh":
			if text, ok := textOf(c); ok {
				e.Properties["text"] = text
			}
		case "artb":
			s := over(c, "artboard")
			if v := s.descriptor().get("artboardRect"); s.err == nil && len(v.items) > 0 {
				e.Bounds = []float64{v.get("Left").number, v.get("Top ").number, v.get("Rght").number, v.get("Btom").number}
			}
		case "vscg":
			if len(c) > 4 {
				e.Properties["fill with"] = fillName(string(c[:4]))
			}
		case "lfx2", "lmfx":
			if text := effects(c); text != "" {
				e.Properties["effects"] = text
			}
		case "shmd":
			c = settled(c)
		case "SoLd", "SoLE", "PlLd", "plLd":
			if err := l.smart(e, aspects, b.key, c); err != nil {
				return err
			}
		}
		if a := aspectOf(b.key); a != "" && len(c) > 0 {
			aspects[a] = append(aspects[a], []byte(b.key), binary.BigEndian.AppendUint64(nil, uint64(len(c))), c)
		}
	}
	if ranges, err := l.d.load(k.ranges, 1<<16); err == nil && !plain(ranges) {
		aspects["other"] = append(aspects["other"], ranges)
	}
	for a, parts := range aspects {
		e.Aspects[a] = format.HashOf(parts...)
	}
	return nil
}

// effects names the effects of a layer that are on.
func effects(b []byte) string {
	s := over(b, "effects")
	s.skip(4)
	v := s.descriptor()
	if s.err != nil || v.get("masterFXSwitch").number == 0 {
		return ""
	}
	var out []string
	on := func(v *value) bool { return v.get("enab").number != 0 }
	for _, k := range []struct{ key, name string }{{"DrSh", "drop shadow"}, {"IrSh", "inner shadow"}, {"OrGl", "outer glow"}, {"IrGl", "inner glow"},
		{"ebbl", "bevel"}, {"ChFX", "satin"}, {"SoFi", "color"}, {"GrFl", "gradient"}, {"patternFill", "pattern"}, {"FrFX", "stroke"}} {
		found := on(v.get(k.key))
		for _, it := range v.items {
			if strings.HasSuffix(it.key, "Multi") {
				for i := range it.items {
					found = found || it.items[i].class == k.key && on(&it.items[i].value)
				}
			}
		}
		if found {
			out = append(out, k.name)
		}
	}
	return strings.Join(out, ", ")
}

// plain reports whether blending ranges leave nothing out.
func plain(b []byte) bool {
	for i := 0; i+4 <= len(b); i += 4 {
		if string(b[i:i+4]) != "\x00\x00\xff\xff" {
			return false
		}
	}
	return true
}

// locks says what is locked.
func locks(b []byte, flags uint8) string {
	if len(b) < 4 {
		return ""
	}
	v := binary.BigEndian.Uint32(b)
	var out []string
	for _, k := range []struct {
		bit  uint32
		name string
	}{{1, "transparency"}, {2, "pixels"}, {4, "position"}, {8, "artboard"}, {1 << 31, "all"}} {
		if v&k.bit != 0 || k.bit == 1 && flags&1 != 0 {
			out = append(out, k.name)
		}
	}
	return strings.Join(out, " ")
}

// label is the colour that a layer is marked with.
func label(b []byte) string {
	if len(b) < 2 {
		return ""
	}
	names := []string{"", "red", "orange", "yellow", "green", "blue", "violet", "gray"}
	if n := binary.BigEndian.Uint16(b); int(n) < len(names) {
		return names[n]
	}
	return ""
}

const maxShown = 64 << 10 // bytes of text in a property

// textOf returns the text of a text layer.
func textOf(b []byte) (string, bool) {
	s := over(b, "text")
	s.skip(2 + 6*8 + 2) // version, transform, version of the text
	text := s.descriptor().get("Txt ").text
	if s.err != nil {
		return "", false
	}
	if len(text) > maxShown {
		text = strings.ToValidUTF8(text[:maxShown], "")
	}
	text = strings.NewReplacer("\r", "\n", "\x03", "\n").Replace(text)
	return text, true
}

// smart adds the file of a smart object to what is hashed.
func (l *lister) smart(e *format.Element, aspects map[string][][]byte, key string, b []byte) error {
	f := l.files[uuidOf(key, b)]
	if f == nil {
		return nil
	}
	e.Properties["file"] = f.name
	if f.kind != "liFD" {
		e.Properties["linked"] = "true"
		return nil
	}
	sum, err := l.d.fileSum(f)
	aspects["smart object"] = append(aspects["smart object"], sum)
	return err
}
