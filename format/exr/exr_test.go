package exr

import (
	"testing"

	"varve/format/formattest"
)

func samples(t testing.TB) map[string][]byte {
	return formattest.Files(t, "exr", ".exr")
}

func TestContract(t *testing.T) { formattest.Run(t, Format{}, samples(t)) }
