"""The same as tune.py, guarded from within: notebook.py NAME SEED KEY=VALUE..."""

import sys

import train
import tune
import varve

name, seed, settings = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
try:
    with varve.guard(name, seed=seed, params={"settings": " ".join(settings)}) as run:
        tune.change(settings)
        train.train(seed, lambda values, step: varve.log_metrics(values, step=step))
except varve.RolledBack as error:
    print("rolled back", error.run.verdict)
else:
    print("kept", run.verdict)
