package blend

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"varve/format"
)

func TestDump(t *testing.T) {
	for _, p := range strings.Fields(os.Getenv("DUMP")) {
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		f, err := open(t.Context(), format.Bytes(b))
		if err != nil {
			fmt.Println(p, err)
			continue
		}
		fmt.Println(p, f.header, len(f.blocks), f.end, f.body.Size(), len(f.groups))
		if os.Getenv("V") != "" {
			for _, g := range f.groups {
				fmt.Printf("  %q %d\n", g.key, g.last-g.first)
			}
		}
		if s := os.Getenv("S"); s != "" {
			for _, n := range strings.Split(s, ",") {
				if st := f.dna.of(n); st != nil {
					fmt.Println(n, st.size)
					for _, fl := range st.fields {
						fmt.Printf("    %4d %s %s%s [%d]\n", fl.off, fl.typ, strings.Repeat("*", fl.stars), fl.name, fl.count)
					}
				}
			}
		}
	}
}

func TestRefs(t *testing.T) {
	for _, p := range strings.Fields(os.Getenv("REFS")) {
		b, _ := os.ReadFile(p)
		r, err := format.References(t.Context(), Format{}, format.Bytes(b))
		fmt.Println(p, err)
		for _, x := range r {
			fmt.Printf("   %+v\n", x)
		}
	}
}
