//go:build race

package upkeep_test

const stride = 8 // bytes from one damage to the next: the race detector makes each slow
