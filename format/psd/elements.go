package psd

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"varve/format"
)

// Elements returns groups, layers and their masks from the top of the stack to the bottom, then layer comps.
//
// Kinds are layer, group, artboard, text, shape, smart object, fill, adjustment, mask, vector mask and layer comp. IDs of
// layers are their numbers in Photoshop, which stay; # and the place from the bottom where a layer has none.
func (Format) Elements(ctx context.Context, in format.Input) ([]format.Element, error) {
	return list(ctx, in, true)
}

// Outline is Elements without what needs all pixels to be read: the aspects pixels, mask and path are left out.
func (Format) Outline(ctx context.Context, in format.Input) ([]format.Element, error) {
	return list(ctx, in, false)
}

func list(ctx context.Context, in format.Input, pixels bool) ([]format.Element, error) {
	d, err := parse(ctx, in)
	if err != nil {
		return nil, err
	}
	return d.elements(ctx, pixels)
}

// maxRecord bounds a record that is looked into.
const maxRecord = 256 << 20

// lister makes the list of elements.
type lister struct {
	d     *document
	files map[string]*linked
	list  []format.Element
	jobs  []job
}

// job is an aspect that is still to be made, of pixels.
type job struct {
	element int
	aspect  string
	layer   *layer
	ids     []int // of channels
	first   []byte
}

func (d *document) elements(ctx context.Context, pixels bool) ([]format.Element, error) {
	files, err := d.linkedFiles()
	if err != nil && !errors.Is(err, format.ErrMalformed) {
		return nil, err
	}
	l := &lister{d: d, files: map[string]*linked{}}
	for i := range files {
		l.files[files[i].uuid] = &files[i]
	}
	walk(d.layers.tree, func(n *node) {
		if err == nil || errors.Is(err, format.ErrMalformed) {
			err = l.node(n)
		}
	})
	if err != nil {
		return nil, err
	}
	if pixels {
		if err := l.hash(ctx); err != nil {
			return nil, err
		}
	}
	if err := l.comps(); err != nil {
		return nil, err
	}
	return l.list, nil
}

// node adds an element and its masks.
func (l *lister) node(n *node) error {
	k := l.d.layers.of(n)
	e := format.Element{ID: n.id, Kind: k.kind(n.group), Name: k.name, Properties: map[string]string{}, Aspects: map[string]string{}}
	if k.id >= 0 {
		e.Stable = n.id
	}
	if n.parent != nil {
		e.Parent = n.parent.id
	}
	e.Bytes = k.record.n + k.pixels.n
	if n.group {
		e.Bytes += l.d.layers.list[n.first].record.n + l.d.layers.list[n.first].pixels.n
	}
	if k.box.width() > 0 && k.box.height() > 0 {
		e.Bounds = k.box.bounds()
	}
	k.properties(&e, n.group)
	contents, err := l.d.contents(k)
	if err != nil {
		return err
	}
	if err := l.blocks(k, &e, contents); err != nil {
		return err
	}
	at := len(l.list)
	l.list = append(l.list, e)
	if e.Bounds != nil {
		l.jobs = append(l.jobs, job{element: at, aspect: "pixels", layer: k, ids: k.colourChannels(),
			first: fmt.Appendf(nil, "%d %d %d %d", l.d.mode, l.d.depth, k.box.width(), k.box.height())})
	}
	return l.masks(k, at, contents)
}

func (b box) bounds() []float64 {
	return []float64{float64(b.left), float64(b.top), float64(b.right), float64(b.bottom)}
}

// colourChannels are the ids of colours and alpha, in order.
func (l *layer) colourChannels() []int {
	var ids []int
	for _, c := range l.channel {
		if c.id >= idAlpha {
			ids = append(ids, c.id)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// masks adds the masks of the layer at a place of the list.
func (l *lister) masks(k *layer, at int, contents func(*block) []byte) error {
	m, err := l.d.maskOf(k)
	if err != nil {
		return err
	}
	owner := l.list[at].ID
	if m != nil && (m.user || m.flags&maskRendered == 0) {
		box, flags, outside, id := m.box, m.flags, m.outside, idMask
		if m.user {
			box, flags, outside, id = m.userBox, m.userFlags, m.userOut, idUser
		}
		e := format.Element{ID: owner + "/mask", Kind: "mask", Name: "Mask", Parent: owner, Aspects: map[string]string{}}
		if l.list[at].Stable != "" {
			e.Stable = e.ID
		}
		e.Properties = maskProperties(flags, m.density, m.feather)
		e.Properties["outside"] = strconv.Itoa(int(outside))
		if box.width() > 0 && box.height() > 0 {
			e.Bounds = box.bounds()
		}
		if c := k.plane(id); c != nil {
			e.Bytes = c.data.n
			first := fmt.Appendf(nil, "%d %d %v", l.d.depth, outside, box)
			l.jobs = append(l.jobs, job{element: len(l.list), aspect: "mask", layer: k, ids: []int{id}, first: first})
			first = fmt.Appendf(nil, "%s %v", first, e.Properties)
			l.jobs = append(l.jobs, job{element: at, aspect: "mask", layer: k, ids: []int{id}, first: first})
		}
		l.list = append(l.list, e)
	}
	if m != nil && m.flags&maskRendered != 0 && k.plane(idMask) != nil { // what the path looks like
		first := fmt.Appendf(nil, "%d %d %v", m.flags, m.outside, m.box)
		l.jobs = append(l.jobs, job{element: at, aspect: "path", layer: k, ids: []int{idMask}, first: first})
	}
	b := k.block("vmsk", "vsms")
	if b == nil {
		return nil
	}
	e := format.Element{ID: owner + "/vector", Kind: "vector mask", Name: "Vector Mask", Parent: owner, Bytes: b.all.n}
	if l.list[at].Stable != "" {
		e.Stable = e.ID
	}
	e.Properties = map[string]string{}
	if m != nil {
		e.Properties = maskProperties(0, m.vDensity, m.vFeather)
	}
	if c := contents(b); len(c) >= 8 && c[7]&4 != 0 {
		e.Properties["enabled"] = "false"
	}
	e.Aspects = map[string]string{"vector": format.HashOf(contents(b))}
	l.list = append(l.list, e)
	return nil
}

func maskProperties(flags, density uint8, feather float64) map[string]string {
	p := map[string]string{}
	if flags&maskDisabled != 0 {
		p["enabled"] = "false"
	}
	if flags&maskInverted != 0 {
		p["inverted"] = "true"
	}
	if density != 255 {
		p["density"] = percent(density)
	}
	if feather != 0 {
		p["feather"] = strconv.FormatFloat(feather, 'g', 6, 64) + " px"
	}
	return p
}

// result is what hashing the channels of a job gave.
type result struct {
	sums [][]byte
	err  error
}

const apart = 1 << 20 // bytes of channels from which on they are hashed side by side

// hash makes the aspects of pixels. Hashing takes most of the time: channels go side by side on all processors.
func (l *lister) hash(ctx context.Context) error {
	done := make([]result, len(l.jobs))
	type task struct{ job, channel int }
	var tasks []task
	size := int64(0)
	for i, j := range l.jobs {
		done[i].sums = make([][]byte, len(j.ids))
		for c, id := range j.ids {
			tasks = append(tasks, task{i, c})
			size += j.layer.plane(id).data.n
		}
	}
	var next atomic.Int64
	var lock sync.Mutex
	work := func() {
		buffer := make([]byte, 0, 64<<10)
		for ctx.Err() == nil {
			n := int(next.Add(1)) - 1
			if n >= len(tasks) {
				return
			}
			t := tasks[n]
			sum, err := l.d.channelSum(l.jobs[t.job].layer, l.jobs[t.job].ids[t.channel], &buffer)
			lock.Lock()
			done[t.job].sums[t.channel] = sum
			done[t.job].err = errors.Join(done[t.job].err, err)
			lock.Unlock()
		}
	}
	if size < apart {
		work()
	} else {
		var group sync.WaitGroup
		for range workers() {
			group.Go(work)
		}
		group.Wait()
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return l.hashed(done)
}

// hashed puts the hashes of channels into the list.
func (l *lister) hashed(done []result) error {
	for i, j := range l.jobs {
		if err := done[i].err; err != nil {
			return fmt.Errorf("layer %q: %w", j.layer.name, err)
		}
		parts := [][]byte{j.first}
		for c, id := range j.ids {
			if j.aspect == "mask" {
				id = idMask // the same mask, with and without a path beside it
			}
			parts = append(parts, fmt.Appendf(nil, " %d ", id), done[i].sums[c])
		}
		l.list[j.element].Aspects[j.aspect] = format.HashOf(parts...)
	}
	return nil
}

// channelSum hashes the samples of a channel. Of one that cannot be decoded it hashes the bytes.
func (d *document) channelSum(l *layer, id int, buffer *[]byte) ([]byte, error) {
	b, err := d.channelBox(l, id)
	if err != nil {
		return nil, err
	}
	c := l.plane(id)
	if b.width() == 0 || b.height() == 0 {
		return nil, nil
	}
	// Of the channels of the next save most are the same: a timeline hashes each once.
	name := fmt.Sprintf("psd channel %t %d %d %d", d.big, d.depth, b.width(), b.height())
	return format.Sum(d.file, c.data.off, c.data.n, name, func() ([]byte, error) {
		h := sha256.New()
		err := d.sum(h, c, b, buffer)
		if errors.Is(err, format.ErrMalformed) || errors.Is(err, format.ErrUnsupported) {
			h.Reset()
			err = d.sumBytes(h, c.data)
		}
		return h.Sum(nil), err
	})
}

// sum hashes rows, several at a time.
func (d *document) sum(h hash.Hash, c *channel, b box, buffer *[]byte) error {
	r, err := d.layerRows(c, b.width(), b.height())
	if err != nil {
		return err
	}
	n := max(1, cap(*buffer)/max(1, r.rowBytes))
	if need := n * r.rowBytes; need > cap(*buffer) {
		*buffer = make([]byte, need)
	}
	for y := 0; y < b.height(); {
		k := min(n, b.height()-y)
		rows := (*buffer)[:k*r.rowBytes]
		for i := range k {
			if err := r.next(rows[i*r.rowBytes : (i+1)*r.rowBytes]); err != nil {
				return err
			}
		}
		h.Write(rows)
		y += k
	}
	return nil
}

func (d *document) sumBytes(h hash.Hash, p span) error {
	for p.n > 0 {
		n := min(p.n, 1<<20)
		b, err := d.load(span{p.off, n}, n)
		if err != nil {
			return err
		}
		h.Write(b)
		p = span{p.off + n, p.n - n}
	}
	return nil
}

// contents reads the record of a layer, and returns what gives its blocks.
func (d *document) contents(l *layer) (func(*block) []byte, error) {
	b, err := d.load(l.record, maxRecord)
	if err != nil {
		return nil, err
	}
	return func(k *block) []byte {
		at := k.data.off - l.record.off
		return b[at : at+k.data.n]
	}, nil
}

// comps adds layer comps.
func (l *lister) comps() error {
	r := l.d.resource(1065)
	if r == nil {
		return nil
	}
	b, err := l.d.load(r.data, maxDescriptor)
	if err != nil {
		return err
	}
	s := over(b, "layer comps")
	v := s.descriptor()
	if s.err != nil {
		return nil // what is not understood is not listed
	}
	seen := map[string]bool{}
	for _, c := range v.get("list").items {
		id := strconv.Itoa(int(c.get("compID").number))
		if c.child("compID") == nil || seen[id] {
			continue
		}
		seen[id] = true
		e := format.Element{ID: "comp:" + id, Stable: "comp:" + id, Kind: "layer comp", Name: c.get("Nm  ").text, Bytes: c.all.n}
		e.Properties = map[string]string{}
		if text := c.get("comment").text; text != "" {
			e.Properties["comment"] = text
		}
		e.Aspects = map[string]string{"settings": format.HashOf(without(b, &c.value, "Nm  "))}
		l.list = append(l.list, e)
	}
	return nil
}

// without returns the bytes of an object but for the items of some keys.
func without(b []byte, v *value, keys ...string) []byte {
	out := []byte{}
	at := v.at.off
	for _, it := range v.items {
		if slices.Contains(keys, it.key) {
			out = append(out, b[at:it.all.off]...)
			at = it.all.end()
		}
	}
	return append(out, b[at:v.at.end()]...)
}

// percent writes a value of 255 so that no two are the same.
func percent(v uint8) string {
	text := strconv.FormatFloat(float64(v)*100/255, 'f', 1, 64)
	return strings.TrimSuffix(text, ".0") + "%"
}

// settled returns what a shmd block says but for the time of the save, which Photoshop writes into each layer.
func settled(b []byte) []byte {
	s := over(b, "shmd")
	var out bytes.Buffer
	for n := s.u32(); n > 0 && s.err == nil && s.left() >= 16; n-- {
		s.skip(4)
		key := s.key()
		s.skip(4)
		size := s.length(false)
		from := s.at
		s.skip(size)
		s.skip(min(-size&3, s.left()))
		if s.err != nil {
			break
		}
		data := b[from : from+size]
		if key == "cust" {
			in := over(data, "cust")
			if v := in.descriptor(); in.err == nil && v.child("layerTime") != nil {
				if len(v.items) == 1 {
					continue
				}
				data = without(data, v, "layerTime")
			}
		}
		out.WriteString(key)
		_ = binary.Write(&out, binary.BigEndian, uint32(len(data)))
		out.Write(data)
	}
	if s.err != nil {
		return b
	}
	return out.Bytes()
}
