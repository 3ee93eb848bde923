"""Guard, measure, compare and roll back training runs with varve.

    import varve

    with varve.guard("lora-r16", policy="policy.toml", scope=["src", "config"], params={"rank": 16}, seed=7):
        for epoch in range(10):
            loss = train()
            varve.log_metrics({"loss": loss}, step=epoch)

The package talks to the varve program, which does the work: ``$VARVE_BINARY``, or ``varve`` in PATH, or a
:class:`Client` with another. It needs nothing but Python's standard library.
"""

from . import callbacks
from ._client import Client, VarveError, compare, log, restore, snap
from ._guard import RolledBack, Run, current_run, guard
from ._metrics import MetricsWriter, log_metrics

__all__ = [
    "Client",
    "MetricsWriter",
    "RolledBack",
    "Run",
    "VarveError",
    "callbacks",
    "compare",
    "current_run",
    "guard",
    "log",
    "log_metrics",
    "restore",
    "snap",
]
__version__ = "0.1.0"
