package records

// Plain returns records that ask the same index by SQL alone.
func Plain(r *Records) *Records {
	r.mu.Lock()
	defer r.mu.Unlock()
	x := &index{db: r.x.db, file: r.x.file, plain: true, numbers: map[string]int64{}, names: map[int64]string{}, texts: map[textKey]uint32{}, cached: map[int64]*column{}}
	return &Records{segs: r.segs, db: r.db, opt: r.opt, x: x, damaged: map[string]error{}}
}
