"""A guarded run: a snapshot before, metrics within, a judgement after, and back where it is bad."""

from __future__ import annotations

import os
import traceback
import warnings
from types import TracebackType
from typing import Any, Dict, Mapping, Optional, Sequence, Type

from ._client import Client, Object, PathLike, VarveError
from ._metrics import _open, log_metrics


class RolledBack(VarveError):
    """The run has broken its policy, and what was in its scope is as before. ``run`` says more."""

    def __init__(self, run: "Run") -> None:
        self.run = run
        super().__init__("run %s was rolled back: %s" % (run.name, run.verdict or "its policy was broken"), "rolled_back", exit=4)


class Run:
    """A run that is under way, or has ended.

    ``id`` names it. ``joined`` tells that somebody else has begun it and will end it: ``varve guard`` around the program, or a
    guard around this one. ``result`` is what varve said at its end, with ``verdict`` and ``rolled_back``.
    """

    def __init__(self, name: str, id: str, metrics: Optional[str], started: Optional[Object] = None, joined: bool = False) -> None:
        self.name, self.id, self.metrics_path, self.joined = name, id, metrics, joined
        self.started: Object = started or {}
        self.result: Object = {}

    @property
    def verdict(self) -> str:
        value = self.result.get("verdict", "")
        return value if isinstance(value, str) else str(value)

    @property
    def rolled_back(self) -> bool:
        return bool(self.result.get("rolled_back"))

    def log_metrics(self, values: Mapping[str, Any], step: Optional[int] = None, seed: Optional[int] = None, **labels: Any) -> bool:
        """Notes metrics of this run."""
        if self.metrics_path is None:
            return log_metrics(values, step=step, seed=seed, **labels)
        _open.at(self.metrics_path).log(values, step=step, seed=seed, **labels)
        return True


_stack: "list[Run]" = []


def current_run() -> Optional[Run]:
    """The run of the innermost guard of this process, if there is one."""
    return _stack[-1] if _stack else None


def _secondary() -> bool:
    """Tells whether this is one of many processes of a distributed run, and not the first."""
    for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK"):
        value = os.environ.get(name, "")
        if value.isdigit() and int(value) > 0:
            return True
    return False


class guard:
    """Guards what happens inside of ``with``.

    Before it varve takes a snapshot; within, ``log_metrics`` notes metrics; after it varve imports them, judges them by the
    policy, takes a snapshot with the record of the run, and rolls the scope back where the policy says so: then RolledBack is
    raised, unless ``raise_on_rollback`` is False. An exception ends the run with the exit code 1 and goes on its way.

    Within a run that is under way (``varve guard -- python train.py``, or another guard) and in the other processes of a
    distributed one it joins: nothing is begun or ended twice.
    """

    def __init__(
        self,
        name: str,
        policy: Optional[PathLike] = None,
        scope: Sequence[PathLike] = (),
        params: Optional[Mapping[str, Any]] = None,
        seed: Optional[int] = None,
        client: Optional[Client] = None,
        raise_on_rollback: bool = True,
    ) -> None:
        if isinstance(scope, (str, bytes)):
            raise TypeError("scope is a list of paths, not one")
        self.name, self.policy, self.scope, self.params, self.seed = name, policy, scope, params, seed
        self.client = client or Client()
        self.raise_on_rollback = raise_on_rollback
        self.run: Optional[Run] = None
        self._before: Dict[str, Optional[str]] = {}

    def __enter__(self) -> Run:
        if self.run is not None:
            raise RuntimeError("this guard was used already: make another")
        around = os.environ.get("VARVE_RUN")
        if around or _secondary():
            self.run = Run(self.name, around or "", os.environ.get("VARVE_METRICS") or None, joined=True)
        else:
            started = self.client.run_start(self.name, self.policy, self.scope, self.params, self.seed)
            self.run = Run(self.name, str(started["id"]), str(started["metrics"]), started)
            self._set("VARVE_RUN", self.run.id)
            self._set("VARVE_METRICS", self.run.metrics_path or "")
        _stack.append(self.run)
        return self.run

    def _set(self, name: str, value: str) -> None:
        self._before[name] = os.environ.get(name)
        os.environ[name] = value

    def _reset(self) -> None:
        for name, value in self._before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        self._before = {}

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException], where: Optional[TracebackType]) -> bool:
        run = self.run
        assert run is not None
        if run in _stack:
            _stack.remove(run)
        if run.joined:
            return False
        self._reset()
        if run.metrics_path is not None:
            _open.close(run.metrics_path)
        code, text = _ending(error)
        try:
            run.result = self.client.run_finish(run.id, code, text)
        except VarveError as failed:
            if error is None:
                raise
            # What went wrong first is what must be heard of.
            warnings.warn("varve could not end run %s: %s" % (run.id, failed), stacklevel=2)
            return False
        if run.rolled_back and code == 0 and self.raise_on_rollback:
            raise RolledBack(run)  # also where sys.exit(0) was on its way
        if run.rolled_back and code != 0:
            warnings.warn("run %s was rolled back" % run.name, stacklevel=2)
        return False

    def __call__(self, function: Any) -> Any:
        """Guards each call of a function."""
        import functools

        @functools.wraps(function)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            with guard(self.name, self.policy, self.scope, self.params, self.seed, self.client, self.raise_on_rollback):
                return function(*args, **kwargs)

        return guarded


def _ending(error: Optional[BaseException]) -> "tuple[int, str]":
    """The exit code and the text that a run ends with."""
    if error is None:
        return 0, ""
    if isinstance(error, SystemExit):
        if error.code is None:
            return 0, ""
        return (error.code, "") if isinstance(error.code, int) else (1, str(error.code)[:4000])
    if isinstance(error, KeyboardInterrupt):
        return 130, "KeyboardInterrupt"
    return 1, "".join(traceback.format_exception_only(type(error), error)).strip()[:4000]
