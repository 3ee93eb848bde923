package index

import "slices"

const (
	tierLimit  = 8       // segments a tier may hold
	tierFactor = 8       // rows of a tier to the one below it
	tierFirst  = 1 << 12 // rows from which a segment is not of the lowest tier

	// The highest tier is settled: settledRows is the size from which a segment is left as it is, and groupRows the most rows a merge makes:
	// merging needs about 30 bytes of memory for each.
	tierCount   = 6
	settledRows = tierFirst << (3 * (tierCount - 2)) // 2^24
	groupRows   = 2 * settledRows
)

// tierOf is the tier of a segment of so many rows.
func tierOf(rows int) int {
	t := 0
	for limit := tierFirst; rows >= limit && t < tierCount-1; limit *= tierFactor {
		t++
	}
	return t
}

// Plan says which segments to merge, given the rows of each: groups of at least two positions in sizes, no
// position in two groups. A tier holds segments within a factor of eight and is merged when it has more than
// eight; what that makes counts in its own tier at once, so that no row is written twice in one go. Segments of
// 2^24 rows and more are left alone.
func Plan(sizes []int) [][]int {
	var tiers [tierCount][]int
	for i, n := range sizes {
		t := tierOf(n)
		tiers[t] = append(tiers[t], i)
	}
	var groups [][]int
	var merging []int // from lower tiers, to become one segment
	rows := 0
	for t, members := range tiers[:tierCount-1] {
		count := len(members)
		if len(merging) > 0 {
			switch made := tierOf(rows); {
			case made == t:
				count++
			case made < t:
				groups = append(groups, split(merging, sizes)...)
				merging, rows = nil, 0
			}
		}
		if count > tierLimit {
			merging = append(merging, members...)
			for _, i := range members {
				rows += sizes[i]
			}
		}
	}
	return append(groups, split(merging, sizes)...)
}

// split cuts a group into groups that make at most groupRows rows each, and leaves out what ends up alone.
func split(group []int, sizes []int) [][]int {
	slices.SortFunc(group, func(a, b int) int { return sizes[a] - sizes[b] })
	var groups [][]int
	var open []int
	total := 0
	for _, i := range group {
		if total+sizes[i] > groupRows && len(open) > 0 {
			groups = append(groups, open)
			open, total = nil, 0
		}
		open = append(open, i)
		total += sizes[i]
	}
	return slices.DeleteFunc(append(groups, open), func(g []int) bool { return len(g) < 2 })
}
