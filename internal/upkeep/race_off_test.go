//go:build !race

package upkeep_test

const stride = 1
