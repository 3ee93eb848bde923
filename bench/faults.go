package main

// faultOptions say what faults does to which tools.
type faultOptions struct {
	corpora string // what make made
	only    string // the corpus
	tools   []string
	points  int    // of each treatment, about
	work    string // empty: the system's folder for temporary files
}
