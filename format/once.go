package format

// Keeping is an Input that keeps what was made of it while it is open, for those who ask several things of one file.
type Keeping interface {
	Input
	// Kept returns what make made under a name, made once. It is shared: nobody changes it.
	Kept(name string, make func() (any, error)) (any, error)
}

// Once returns what make makes of a file, under a name that says what and of which format: made once where the file is
// [Keeping]. Nobody may change it.
func Once[T any](in Input, name string, make func() (T, error)) (T, error) {
	k, ok := in.(Keeping)
	if !ok {
		return make()
	}
	v, err := k.Kept(name, func() (any, error) { return make() })
	if err != nil {
		var none T
		return none, err
	}
	return v.(T), nil
}

// Sharing is an Input that knows bytes again, in other versions of the file too, without reading them.
type Sharing interface {
	Input
	// Shared returns what make made of n bytes from off, under a name: made once for all places with the same bytes.
	Shared(off, n int64, name string, make func() (any, error)) (any, error)
}

// Shared returns what make makes of nothing but n bytes from off, and of what its name says: made once for all versions
// that have those bytes, where the file is [Sharing]. It is small, and nobody changes it.
func Shared[T any](in Input, off, n int64, name string, make func() (T, error)) (T, error) {
	s, ok := in.(Sharing)
	if !ok {
		return make()
	}
	v, err := s.Shared(off, n, name, func() (any, error) { return make() })
	if err != nil {
		var none T
		return none, err
	}
	return v.(T), nil
}

// Summing is an Input of which some bytes need no hash, for they are compared only with where they were copied from.
type Summing interface {
	Input
	// Sum returns what make makes of n bytes from off, or a name for them that only the same bytes of the other file have.
	Sum(off, n int64, name string, make func() ([]byte, error)) ([]byte, error)
}

// Sum returns the hash that make makes of nothing but n bytes from off, and of what its name says, as [Shared] does; where the
// file is [Summing] it may be no hash, and is good for nothing but to be compared.
func Sum(in Input, off, n int64, name string, make func() ([]byte, error)) ([]byte, error) {
	if s, ok := in.(Summing); ok {
		return s.Sum(off, n, name, make)
	}
	return Shared(in, off, n, name, make)
}
