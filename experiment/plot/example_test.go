package plot_test

import (
	"os"

	"varve/experiment/plot"
)

func ExampleTerminal() {
	c := plot.Chart{
		X:         plot.Axis{Label: "difference"},
		Marks:     []plot.Mark{{At: 0, Label: "no difference"}},
		Intervals: []plot.Interval{{Name: "accuracy", Centre: 0.5, Low: 0.2, High: 0.8, Text: "better"}, {Name: "latency", Centre: -0.1, Low: -0.4, High: 0.2, Text: "inconclusive"}},
	}
	plot.Terminal(os.Stdout, c, plot.Screen{Width: 70, ASCII: true})
	// Output:
	// accuracy           :   |------o-----|   0.5 [0.2, 0.8] better
	// latency   |-----o------|                -0.1 [-0.4, 0.2] inconclusive
	//         +----------+----------+-------
	//                    0         0.5
	//                   difference
	// : no difference
}
