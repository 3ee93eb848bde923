"""Writes metrics as JSON lines, each whole, from any number of processes and threads."""

from __future__ import annotations

import datetime
import json
import os
import sys
import threading
import warnings
from typing import Any, Dict, Mapping, Optional, Union

PathLike = Union[str, "os.PathLike[str]"]
Number = Union[int, float]

# Beyond this a line may come in two writes, which others can come between.
_MOST = 1 << 20


def number(value: Any) -> Optional[Number]:
    """The number that a value is: of Python, NumPy, PyTorch, TensorFlow or JAX. None where it is none."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, (int, float)):
        return value
    item = getattr(value, "item", None)
    if callable(item):
        try:
            value = item()
        except (ValueError, TypeError, RuntimeError):
            return None  # more than one number
        if isinstance(value, bool):
            return int(value)
        return value if isinstance(value, (int, float)) else None
    convert = getattr(type(value), "__float__", None)
    if convert is None or isinstance(value, (str, bytes)):
        return None
    try:
        return float(value)
    except (ValueError, TypeError):
        return None


def _flat(values: Mapping[str, Any], prefix: str = "") -> Dict[str, Number]:
    out: Dict[str, Number] = {}
    for key, value in values.items():
        name = prefix + str(key)
        if isinstance(value, Mapping):
            out.update(_flat(value, name + "."))
            continue
        n = number(value)
        if n is None:
            raise TypeError("metric %s is %r, which is no number" % (name, value))
        out[name] = n
    return out


class MetricsWriter:
    """Appends lines to one file.

    A line is ``{"metric": NAME, "value": NUMBER, "step": …, "seed": …, "time": …}`` with the labels that were given. All lines
    of a call go out in one write to a file that is open for appending: they stay together and whole, also if other processes
    write at the same time. NaN and the infinities are written as Python's json does.
    """

    def __init__(self, path: PathLike) -> None:
        self.path = os.fspath(path)
        self._lock = threading.Lock()
        self._fd: Optional[int] = None
        self._pid = 0

    def log(self, values: Mapping[str, Any], step: Optional[int] = None, seed: Optional[int] = None, **labels: Any) -> None:
        """Writes one line for each metric. Mappings within are flattened with dots."""
        common: Dict[str, Any] = {}
        if step is not None:
            common["step"] = int(step)
        if seed is not None:
            common["seed"] = int(seed)
        for key, value in labels.items():
            if key in ("metric", "value", "time"):
                raise TypeError("%s is no label" % key)
            common[key] = value if isinstance(value, (str, int, float)) else str(value)
        common["time"] = datetime.datetime.now(datetime.timezone.utc).isoformat().replace("+00:00", "Z")
        lines = [json.dumps(dict({"metric": name, "value": value}, **common)) + "\n" for name, value in _flat(values).items()]
        batch = ""
        with self._lock:
            for line in lines:
                if batch and len(batch) + len(line) > _MOST:
                    self._write(batch.encode("utf-8"))
                    batch = ""
                batch += line
            if batch:
                self._write(batch.encode("utf-8"))

    def close(self) -> None:
        """Closes the file; the next line opens it again."""
        with self._lock:
            self._drop()

    def _drop(self) -> None:
        if self._fd is not None:
            try:
                if self._pid == os.getpid():
                    os.close(self._fd)
            finally:
                self._fd = None

    def _write(self, data: bytes) -> None:
        if self._fd is None or self._pid != os.getpid():
            self._fd = os.open(self.path, os.O_APPEND | os.O_CREAT | os.O_RDWR | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0), 0o644)
            self._pid = os.getpid()
            if self._cut_off():
                data = b"\n" + data
        with _Turn(self._fd):
            while data:
                data = data[os.write(self._fd, data):]

    def _cut_off(self) -> bool:
        """Tells whether somebody was killed in the middle of a line."""
        assert self._fd is not None
        end = os.lseek(self._fd, 0, os.SEEK_END)
        if end == 0:
            return False
        os.lseek(self._fd, end - 1, os.SEEK_SET)
        return os.read(self._fd, 1) != b"\n"


class _Turn:
    """On Windows appending is no one step: writers take turns, by a lock far behind the end. Elsewhere it does nothing."""

    FAR = 1 << 40

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def __enter__(self) -> None:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(self.fd, self.FAR, os.SEEK_SET)
            msvcrt.locking(self.fd, msvcrt.LK_LOCK, 1)
            os.lseek(self.fd, 0, os.SEEK_END)

    def __exit__(self, *_: Any) -> None:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(self.fd, self.FAR, os.SEEK_SET)
            msvcrt.locking(self.fd, msvcrt.LK_UNLCK, 1)


class _Open:
    """The writers of this process by path, so that a file is opened once."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.writers: Dict[str, MetricsWriter] = {}
        self.warned = False

    def at(self, path: str) -> MetricsWriter:
        with self.lock:
            if path not in self.writers:
                self.writers[path] = MetricsWriter(path)
            return self.writers[path]

    def close(self, path: str) -> None:
        with self.lock:
            writer = self.writers.pop(path, None)
        if writer is not None:
            writer.close()


_open = _Open()


def log_metrics(values: Mapping[str, Any], step: Optional[int] = None, seed: Optional[int] = None, **labels: Any) -> bool:
    """Notes metrics of the run that is under way: in ``$VARVE_METRICS``, which ``varve guard`` and :func:`guard` set.

    Outside of a run nothing is written; the first time a warning says so, and False is returned.
    """
    path = os.environ.get("VARVE_METRICS")
    if not path:
        if not _open.warned:
            _open.warned = True
            warnings.warn("no varve run is under way: metrics are not kept", stacklevel=2)
        return False
    _open.at(path).log(values, step=step, seed=seed, **labels)
    return True


def numbers(values: Mapping[str, Any]) -> Dict[str, Number]:
    """Those of the values that are numbers: what trainers put among their metrics is not always one."""
    out: Dict[str, Number] = {}
    for key, value in values.items():
        n = number(value)
        if n is not None:
            out[str(key)] = n
    return out
