"""A varve that keeps to the contract of run start and run finish, and notes how it was called."""

import json
import os
import stat
import sys
import tempfile
import unittest
from typing import Any, Dict, List

PROGRAM = r'''
import json, os, sys
home = os.environ["STAND_IN"]
args = [a for a in sys.argv[1:]]
with open(os.path.join(home, "calls"), "a") as f:
    f.write(json.dumps(args) + "\n")
plan = json.load(open(os.path.join(home, "plan")))
while args[:1] in (["-C"], ["--vault"]):
    args = args[2:]
words = [a for a in args if not a.startswith("-")]
if plan.get("fail") and (plan["fail"] == words[0] or plan["fail"] == " ".join(words[:2])):
    print(json.dumps({"schema": "varve.error/1", "code": "busy", "message": "the vault is busy", "hint": "wait", "exit": 11}))
    sys.exit(11)
def say(**o):
    print(json.dumps(o))
if words[:2] == ["run", "start"]:
    say(schema="varve.running/1", id="r1", metrics=os.path.join(home, "metrics.jsonl"), name="x")
elif words[:2] == ["run", "finish"]:
    back = plan.get("rolled_back", False)
    say(schema="varve.run/1", id="r1", verdict="rolled back: auroc 0.8 < 0.85" if back else "passed", rolled_back=back)
    sys.exit(4 if back else 0)
elif words[0] == "snap":
    say(schema="varve.snapshot/1", version=3, errors=[])
    sys.exit(plan.get("code", 0))
elif words[0] == "log":
    say(schema="varve.snapshot/1", version=2)
    say(schema="varve.snapshot/1", version=1)
elif words[0] == "restore":
    say(schema="varve.restore/1", files=1)
elif words[0] == "compare":
    say(schema="varve.comparison/1", metric="auroc", verdict="worse")
    sys.exit(4)
'''


class StandIn(unittest.TestCase):
    """Has a stand-in for varve in VARVE_BINARY."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.home = folder.name
        self._saved = dict(os.environ)
        self.addCleanup(self._restore)
        for name in ("VARVE_RUN", "VARVE_METRICS", "RANK", "LOCAL_RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK"):
            os.environ.pop(name, None)
        os.environ["STAND_IN"] = self.home
        script = os.path.join(self.home, "program.py")
        with open(script, "w") as f:
            f.write(PROGRAM)
        if os.name == "nt":
            binary = os.path.join(self.home, "varve.bat")
            with open(binary, "w") as f:
                f.write('@"%s" "%s" %%*\n' % (sys.executable, script))
        else:
            binary = os.path.join(self.home, "varve")
            with open(binary, "w") as f:
                f.write("#!/bin/sh\nexec '%s' '%s' \"$@\"\n" % (sys.executable, script))
            os.chmod(binary, stat.S_IRWXU)
        os.environ["VARVE_BINARY"] = binary
        self.plan()

    def _restore(self) -> None:
        os.environ.clear()
        os.environ.update(self._saved)

    def plan(self, **what: Any) -> None:
        with open(os.path.join(self.home, "plan"), "w") as f:
            json.dump(what, f)

    def calls(self) -> List[List[str]]:
        try:
            with open(os.path.join(self.home, "calls")) as f:
                return [json.loads(line) for line in f]
        except FileNotFoundError:
            return []

    def lines(self) -> List[Dict[str, Any]]:
        with open(os.path.join(self.home, "metrics.jsonl")) as f:
            return [json.loads(line) for line in f]
