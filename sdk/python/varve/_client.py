"""Calls the varve program and reads its JSON lines."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple, Union

PathLike = Union[str, "os.PathLike[str]"]
Object = Dict[str, Any]

PARTIAL = 3  # done, but some files could not be read or written
ROLLED_BACK = 4


class VarveError(RuntimeError):
    """What varve says of a failure.

    ``exit`` is its exit code (``varve help exit-codes``), ``code`` the word for that, ``hint`` what to do.
    """

    def __init__(self, message: str, code: str = "failed", hint: str = "", exit: int = 1) -> None:
        super().__init__(message + (" (%s)" % hint if hint else ""))
        self.message, self.code, self.hint, self.exit = message, code, hint, exit


class Client:
    """A way to the varve program.

    ``binary`` is its path, else ``$VARVE_BINARY``, else ``varve`` in PATH. ``directory`` is the project's folder, else the
    current one. ``vault`` names a vault as ``--vault`` does.
    """

    def __init__(self, binary: Optional[PathLike] = None, directory: Optional[PathLike] = None, vault: Optional[str] = None) -> None:
        self._binary = os.fspath(binary) if binary is not None else None
        self.directory = os.fspath(directory) if directory is not None else None
        self.vault = vault

    @property
    def binary(self) -> str:
        """The path of the program."""
        wanted = self._binary or os.environ.get("VARVE_BINARY") or "varve"
        found = shutil.which(wanted)
        if found is None:
            raise VarveError("the program %s is not here" % wanted, "not_found", "put varve into PATH, or its path into VARVE_BINARY", 127)
        return found

    def call(self, *args: str, allow: Sequence[int] = (0,)) -> Tuple[int, List[Object]]:
        """Runs a verb with ``--json`` and returns its exit code and its objects. Another code than allowed raises VarveError."""
        command = [self.binary]
        if self.directory is not None:
            command += ["-C", self.directory]
        if self.vault is not None:
            command += ["--vault", self.vault]
        verb, rest = args[0], list(args[1:])
        # A path may begin with a dash: what the caller has marked with -- stays behind the flags.
        done = subprocess.run(command + [verb, "--json"] + rest, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        objects: List[Object] = []
        for line in done.stdout.splitlines():
            try:
                value = json.loads(line.decode("utf-8", "replace"))
            except ValueError:
                continue  # it was cut off: the exit code says so
            if isinstance(value, dict):
                objects.append(value)
        if done.returncode in allow:
            return done.returncode, [o for o in objects if o.get("schema") != "varve.error/1"]
        for o in objects:
            if o.get("schema") == "varve.error/1":
                raise VarveError(str(o.get("message", "")), str(o.get("code", "failed")), str(o.get("hint", "")), done.returncode)
        talk = done.stderr.decode("utf-8", "replace").strip()
        raise VarveError(talk or "varve %s ended with %d" % (verb, done.returncode), exit=done.returncode)

    def snap(self, message: str = "", tags: Optional[Mapping[str, str]] = None, milestone: Optional[str] = None) -> Object:
        """Takes a snapshot. Files that could not be read are in its ``errors``."""
        args = ["snap"]
        if message:
            args.append("--message=" + message)
        for key, value in (tags or {}).items():
            args.append("--tag=%s=%s" % (key, value))
        if milestone is not None:
            args.append("--milestone=" + milestone)
        return _one(self.call(*args, allow=(0, PARTIAL))[1], "varve.snapshot/1")

    def log(self, path: Optional[PathLike] = None) -> List[Object]:
        """The snapshots of the project, or the versions of a file, newest first."""
        args = ["log"] + (["--", os.fspath(path)] if path is not None else [])
        return self.call(*args)[1]

    def restore(self, ref: str, paths: Sequence[PathLike] = (), to: Optional[PathLike] = None, dry_run: bool = False) -> Object:
        """Puts a snapshot, or parts of it, back; in place after a safety snapshot, or into a new folder ``to``."""
        args = ["restore", "--yes"]
        if to is not None:
            args.append("--to=" + os.path.abspath(os.fspath(to)))
        if dry_run:
            args.append("--dry-run")
        args += ["--", ref] + [os.fspath(p) for p in paths]
        return _one(self.call(*args, allow=(0, PARTIAL))[1], "varve.restore/1")

    def compare(self, a: str, b: str, metrics: Sequence[str] = ()) -> List[Object]:
        """Compares two versions by their metrics: one object a metric, with delta, interval, p and a verdict."""
        args = ["compare"] + ["--metric=" + m for m in metrics] + ["--", a, b]
        return self.call(*args, allow=(0, 4))[1]

    def run_start(self, name: str, policy: Optional[PathLike] = None, scope: Sequence[PathLike] = (), params: Optional[Mapping[str, Any]] = None, seed: Optional[int] = None) -> Object:
        """Begins a guarded run: takes the snapshot before, and says where metrics go."""
        args = ["run", "start", "--name=" + name]
        if policy is not None:
            args.append("--policy=" + os.path.abspath(os.fspath(policy)))
        args += ["--scope=" + os.fspath(s) for s in scope]
        args += ["--param=%s=%s" % (k, _text(v)) for k, v in (params or {}).items()]
        if seed is not None:
            args.append("--seed=%d" % seed)
        return _one(self._sub(args)[1], "varve.running/1")

    def run_finish(self, run: str, exit: int = 0, error: str = "") -> Object:
        """Ends a guarded run: judges it, and rolls back where the policy says so (``rolled_back``)."""
        args = ["run", "finish", run, "--exit=%d" % exit]
        if error:
            args.append("--error=" + error)
        code, objects = self._sub(args, allow=(0, PARTIAL, ROLLED_BACK))
        result = _one(objects, "varve.run/1")
        result.setdefault("rolled_back", code == ROLLED_BACK)
        return result

    def _sub(self, args: Sequence[str], allow: Sequence[int] = (0,)) -> Tuple[int, List[Object]]:
        """Is call of a verb with a second word."""
        return self.call(args[0], args[1], *args[2:], allow=allow)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float)):
        return str(value)
    if isinstance(value, (list, tuple, dict)):
        return json.dumps(value, default=str, sort_keys=True)
    return str(value)


def _one(objects: List[Object], schema: str) -> Object:
    for o in objects:
        if o.get("schema") == schema:
            return o
    raise VarveError("varve has not said %s: is it too old for this package?" % schema)


def snap(message: str = "", tags: Optional[Mapping[str, str]] = None, milestone: Optional[str] = None) -> Object:
    """Takes a snapshot of the project that the current folder is in."""
    return Client().snap(message, tags, milestone)


def log(path: Optional[PathLike] = None) -> List[Object]:
    """The snapshots of the project, or the versions of a file, newest first."""
    return Client().log(path)


def restore(ref: str, paths: Sequence[PathLike] = (), to: Optional[PathLike] = None, dry_run: bool = False) -> Object:
    """Puts a snapshot, or parts of it, back."""
    return Client().restore(ref, paths, to, dry_run)


def compare(a: str, b: str, metrics: Sequence[str] = ()) -> List[Object]:
    """Compares two versions by their metrics."""
    return Client().compare(a, b, metrics)
