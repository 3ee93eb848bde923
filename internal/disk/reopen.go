package disk

// Reopen implements [Reopener].
func (d *memDir) Reopen() (Dir, error) {
	defer d.lock()()
	node, err := d.find("opendir", ".")
	if err != nil {
		return nil, err
	}
	return &memDir{memory: d.memory, node: node, path: d.path}, nil
}

// Reopen implements [Reopener] where the wrapped Dir does.
func (d *faultyDir) Reopen() (Dir, error) {
	var in Dir
	err := d.do(OpOpenDir, ".", func() (err error) { in, err = Walk(d.dir, ""); return err })
	if err != nil {
		if in != nil {
			err = faultyJoin(err, in.Close())
		}
		return nil, err
	}
	return &faultyDir{d.faulty, in, d.path}, nil
}
