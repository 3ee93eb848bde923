package blend

import (
	"fmt"
	"maps"
	"os"
	"strings"
	"testing"

	"varve/format"
)

func TestDiff(t *testing.T) {
	p := strings.Fields(os.Getenv("DIFF"))
	if len(p) != 2 {
		return
	}
	var list [2]map[string]format.Element
	for i := range p {
		b, _ := os.ReadFile(p[i])
		l, err := Format{}.Elements(t.Context(), format.Bytes(b))
		if err != nil {
			t.Fatal(err)
		}
		list[i] = map[string]format.Element{}
		for _, e := range l {
			list[i][e.ID] = e
			if os.Getenv("V") != "" {
				fmt.Println(e)
			}
		}
	}
	for id, a := range list[0] {
		b, ok := list[1][id]
		if !ok {
			fmt.Println("-", id)
		} else if a.Hash() != b.Hash() {
			fmt.Println("~", id)
			for k, v := range a.Properties {
				if b.Properties[k] != v {
					fmt.Println("    ", k, v, b.Properties[k])
				}
			}
			for k, v := range a.Aspects {
				if b.Aspects[k] != v {
					fmt.Println("    ", k)
				}
			}
		}
	}
	for id := range maps.Keys(list[1]) {
		if _, ok := list[0][id]; !ok {
			fmt.Println("+", id)
		}
	}
}
