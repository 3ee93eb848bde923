package blend

import (
	"context"
	"encoding/hex"
	"fmt"
	"path"
	"strings"

	"varve/format"
)

// References lists the files that data-blocks of this file need: what is packed or generated needs none, and what is in
// a library is that library's matter. Caches without a path of their own lie beside the file, by its name as it was when
// it was saved.
func (Format) References(ctx context.Context, in format.Input) ([]format.Reference, error) {
	f, err := open(ctx, in)
	if err != nil {
		return nil, err
	}
	sites, err := f.sites(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]format.Reference, len(sites))
	for i := range sites {
		out[i] = sites[i].ref
	}
	return out, nil
}

// site is a reference, and where it stands.
type site struct {
	ref   format.Reference
	parts []place // in order, whose texts joined are Raw; nil: it stands nowhere
}

// place is a char array.
type place struct {
	block int
	off   int64 // in its data
	room  int   // with the zero at the end
	used  int
}

// finder collects sites.
type finder struct {
	f      *file
	g      *group
	sites  []site
	packed map[uint64]bool // sounds that are packed, by address
	seen   map[string]bool
	blend  string // name of the file, without extension
}

func (f *file) sites(ctx context.Context) ([]site, error) {
	r := &finder{f: f, packed: map[uint64]bool{}, seen: map[string]bool{}, blend: "*"}
	for i := range f.blocks {
		if f.blocks[i].code == codeOf("GLOB") {
			v, _, err := f.view(i, 0)
			if err != nil {
				return nil, err
			}
			if n := base(v.text("filename", "filepath")); n != "" {
				r.blend = strings.TrimSuffix(n, path.Ext(n))
			}
		}
	}
	for i := range f.groups {
		if strings.HasPrefix(f.groups[i].key, "SO") && !f.groups[i].linked {
			v, err := f.root(&f.groups[i])
			if err != nil {
				return nil, err
			}
			r.packed[f.blocks[f.groups[i].first].old] = f.packed(v)
		}
	}
	for i := range f.groups {
		g := &f.groups[i]
		if g.linked || f.hidden(g) {
			continue
		}
		r.g = g
		if err := r.block(g.first); err != nil {
			return nil, err
		}
		for k := g.first + 1; k < g.last; k++ {
			if k&0xff == 0 && ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if err := r.block(k); err != nil {
				return nil, err
			}
		}
		if len(r.sites) > format.MaxReferences {
			return nil, fmt.Errorf("more than %d references: %w", format.MaxReferences, format.ErrLimit)
		}
	}
	return r.sites, nil
}

// block finds what the structs of a block refer to.
func (r *finder) block(k int) error {
	s := r.f.dna.at(r.f.blocks[k].sdna)
	if s == nil || k > r.g.first && r.f.structOf(k) == nil || !refers(s) {
		return nil
	}
	n := r.f.blocks[k].n / int64(s.size)
	if k == r.g.first {
		n = 1
	}
	for i := range n {
		v, ok, err := r.f.view(k, i)
		if err != nil || !ok {
			return err
		}
		if err := r.look(v); err != nil {
			return err
		}
	}
	return nil
}

// refers reports whether look knows a struct.
func refers(s *structure) bool {
	if s.size == 0 {
		return false
	}
	switch s.name {
	case "Image", "MovieClip", "Library", "bSound", "VFont", "CacheFile", "CacheFileLayer", "Volume", "VoxelData", "CustomDataExternal",
		"Sequence", "NodeShaderScript", "NodeShaderTexIES", "MeshCacheModifierData", "OceanModifierData", "FluidDomainSettings",
		"FluidsimSettings", "PointCache", "NodesModifierData":
		return true
	case "Strip": // of Sequence what 5.0 calls so
		return s.field("seqbase") != nil
	}
	return false
}

const (
	sourceSequence = 2 // of an image
	sourceMovie    = 3
	sourceTiled    = 6
)

func (r *finder) look(v view) error {
	switch v.s.name {
	case "Image":
		r.image(v)
	case "MovieClip":
		r.add(v, "video", v.int("source") == 1, "filepath", "name")
	case "Library":
		if !r.f.packed(v) {
			r.add(v, "library", false, libraryPath(v.s))
		}
	case "bSound":
		if !r.f.packed(v) {
			r.add(v, "sound", false, "filepath", "name")
		}
	case "VFont":
		if n := v.text("filepath", "name"); n != "<builtin>" && !r.f.packed(v) {
			r.add(v, "font", false, "filepath", "name")
		}
	case "CacheFile":
		r.add(v, "cache", v.int("is_sequence") != 0, "filepath")
	case "Volume":
		if !r.f.packed(v) {
			r.add(v, "volume", v.int("is_sequence") != 0, "filepath")
		}
	case "Sequence", "Strip":
		return r.strip(v)
	case "NodeShaderScript", "NodeShaderTexIES":
		if v.int("mode") == 1 {
			r.add(v, "script", false, "filepath")
		}
	case "VoxelData":
		r.add(v, "cache", false, "source_path")
	case "CustomDataExternal":
		r.add(v, "cache", false, "filename")
	case "CacheFileLayer", "MeshCacheModifierData":
		r.add(v, "cache", false, "filepath")
	case "OceanModifierData":
		if v.int("cached") != 0 {
			r.folder(v, "cachepath")
		}
	case "FluidDomainSettings":
		r.folder(v, "cache_directory")
	case "FluidsimSettings":
		r.folder(v, "surfdataPath")
	case "PointCache":
		r.cache(v)
	case "NodesModifierData":
		return r.bake(v)
	}
	return nil
}

// libraryPath is the field that says where a library is: filepath, but where there is a long name, it is that, and
// filepath what it came to.
func libraryPath(s *structure) string {
	if d := s.field("name"); d != nil && d.typ == "char" && d.count > 64 {
		return "name"
	}
	return "filepath"
}

func (r *finder) image(v view) {
	source := v.int("source")
	if r.f.packed(v) {
		return
	}
	switch source {
	case 0, 1:
		r.add(v, "texture", false, "filepath", "name")
	case sourceMovie:
		r.add(v, "video", false, "filepath", "name")
	case sourceSequence, sourceTiled:
		if s := r.add(v, "texture", true, "filepath", "name"); s != nil && source == sourceTiled {
			s.ref.Path = tiled(resolved(s.ref.Raw))
		}
	}
}

// add adds what stands in a char array; nil where that is empty.
func (r *finder) add(v view, kind string, sequence bool, names ...string) *site {
	d := v.s.field(names...)
	if d == nil || d.typ != "char" || d.stars > 0 {
		return nil
	}
	raw := v.text(names...)
	p := place{v.block, v.off + int64(d.off), d.size, len(raw)}
	return r.site(kind, raw, sequence, p)
}

func (r *finder) site(kind, raw string, sequence bool, parts ...place) *site {
	p := resolved(raw)
	if p == "" {
		return nil
	}
	s := site{format.Reference{Kind: kind, Raw: raw, Path: p, Style: styleOf(raw), Element: r.g.key, Sequence: sequence}, parts}
	if sequence {
		s.ref.Path = numbered(p)
	}
	if len(parts) == 1 && r.f.how == plain {
		s.ref.Off = r.f.blocks[parts[0].block].off + r.f.header.headLen() + parts[0].off
		s.ref.Len = int64(len(raw))
	}
	r.sites = append(r.sites, s)
	return &r.sites[len(r.sites)-1]
}

// folder adds all that is in a folder.
func (r *finder) folder(v view, name string) {
	if s := r.add(v, "cache", false, name); s != nil {
		s.ref.Sequence = true
		s.ref.Path = strings.TrimSuffix(s.ref.Path, "/") + "/*"
	}
}

const (
	cacheOnDisk   = 64 // flags of a PointCache
	cacheExternal = 512
)

// cache adds the files of a simulation: in a folder beside the file, unless it has one of its own.
func (r *finder) cache(v view) {
	name := v.text("name")
	if name == "" {
		name = strings.ToUpper(hex.EncodeToString([]byte(r.g.name[2:])))
	}
	flag := v.int("flag")
	switch {
	case flag&cacheExternal != 0:
		if s := r.add(v, "cache", false, "path"); s != nil {
			s.ref.Sequence = true
			s.ref.Path = strings.TrimSuffix(s.ref.Path, "/") + "/" + name + "_*.bphys"
		}
	case flag&cacheOnDisk != 0:
		raw := "//blendcache_" + r.blend + "/" + name + "_*.bphys"
		if r.seen[raw] {
			return
		}
		r.seen[raw] = true
		if s := r.site("cache", raw, false); s != nil {
			s.ref.Sequence = true
		}
	}
}

// bake adds the folder that geometry nodes bake into: a string of its own.
func (r *finder) bake(v view) error {
	p := v.pointer("bake_directory", "simulation_bake_directory")
	if p == 0 {
		return nil
	}
	for k := r.g.first; k < r.g.last; k++ {
		if r.f.blocks[k].old != p || r.f.blocks[k].n > 1<<16 {
			continue
		}
		b, err := r.f.content(k, 1<<16)
		if err != nil {
			return err
		}
		raw := text(b)
		if s := r.site("cache", raw, false, place{k, 0, len(b), len(raw)}); s != nil {
			s.ref.Sequence = true
			s.ref.Path = strings.TrimSuffix(s.ref.Path, "/") + "/*"
		}
	}
	return nil
}

const (
	stripImage = 0
	stripMovie = 3
	stripSound = 4
	stripOld   = 5 // sound of before 2.5
)

// strip adds what a strip of the sequencer shows or plays. Its folder and its files stand apart.
func (r *finder) strip(v view) error {
	kind := ""
	switch v.int("type") {
	case stripImage:
		kind = "texture"
	case stripMovie:
		kind = "video"
	case stripSound, stripOld:
		kind = "sound"
		if r.packed[v.pointer("sound")] {
			return nil
		}
	default:
		return nil
	}
	at := r.f.addressed(r.g)
	folder, err := r.f.follow(at, v.pointer("strip", "data"))
	if err != nil || folder.s == nil {
		return err
	}
	file, err := r.f.follow(at, folder.pointer("stripdata"))
	if err != nil || file.s == nil {
		return err
	}
	d, n := folder.s.field("dir", "dirpath"), file.s.field("name", "filename")
	if d == nil || n == nil || d.typ != "char" || n.typ != "char" {
		return nil
	}
	dir, name := folder.text("dir", "dirpath"), file.text("name", "filename")
	if dir != "" && !strings.HasSuffix(dir, "/") && !strings.HasSuffix(dir, "\\") {
		return nil
	}
	several := kind == "texture" && r.f.blocks[file.block].n > int64(file.s.size)
	r.site(kind, dir+name, several, place{folder.block, folder.off + int64(d.off), d.size, len(dir)},
		place{file.block, file.off + int64(n.off), n.size, len(name)})
	return nil
}

// resolved is what a path of Blender's means: with slashes, and without what says from where.
func resolved(raw string) string {
	if rest, ok := strings.CutPrefix(raw, "//"); ok {
		return strings.TrimLeft(strings.ReplaceAll(rest, "\\", "/"), "/")
	}
	if styleOf(raw) == format.Absolute && !strings.HasPrefix(raw, "/") {
		return strings.ReplaceAll(raw, "\\", "/")
	}
	return raw
}

func styleOf(raw string) format.Style {
	switch {
	case strings.HasPrefix(raw, "//"):
		return format.Relative
	case strings.HasPrefix(raw, "/"), strings.HasPrefix(raw, "\\\\"), len(raw) > 2 && raw[1] == ':' && (raw[2] == '\\' || raw[2] == '/'):
		return format.Absolute
	case strings.Contains(raw, "://"):
		return format.URL
	}
	return format.Relative
}

// base is the last element of a path with either kind of slashes.
func base(p string) string { return p[strings.LastIndexAny(p, "/\\")+1:] }

// numbered turns the number in the name of the first file of a sequence into a pattern.
func numbered(p string) string {
	from := len(p) - len(base(p))
	if strings.Contains(p[from:], "<UDIM>") {
		return p
	}
	end := len(p)
	for end > from && (p[end-1] < '0' || p[end-1] > '9') {
		end--
	}
	start := end
	for start > from && p[start-1] >= '0' && p[start-1] <= '9' {
		start--
	}
	return p[:start] + strings.Repeat("#", end-start) + p[end:]
}

// tiled turns the name of a tile into the name of all.
func tiled(p string) string {
	from := len(p) - len(base(p))
	name := p[from:]
	if strings.Contains(name, "<UVTILE>") {
		return p[:from] + strings.ReplaceAll(name, "<UVTILE>", "u*_v*")
	}
	if i := strings.LastIndex(name, "1001"); i >= 0 && !strings.Contains(name, "<UDIM>") {
		name = name[:i] + "<UDIM>" + name[i+4:]
	}
	return p[:from] + name
}
