//go:build !race

package varve_test

const raceOn = false
