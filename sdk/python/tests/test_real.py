"""With the real program, named by VARVE_REAL: what the package sends is what it takes."""

import os
import random
import shutil
import subprocess
import sys
import tempfile
import unittest
from typing import List

import varve

REAL = os.environ.get("VARVE_REAL", "")


@unittest.skipUnless(REAL, "VARVE_REAL names no varve: the real program is not tried")
class RealTest(unittest.TestCase):
    def setUp(self) -> None:
        self.home = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.home)
        saved = dict(os.environ)

        def back() -> None:
            os.environ.clear()
            os.environ.update(saved)

        self.addCleanup(back)
        for name in ("VARVE_RUN", "VARVE_METRICS", "VARVE_VAULT"):
            os.environ.pop(name, None)
        os.environ.update(HOME=self.home, USERPROFILE=self.home, LOCALAPPDATA=self.home, APPDATA=self.home, XDG_DATA_HOME=self.home + "/data", XDG_CACHE_HOME=self.home + "/cache", XDG_CONFIG_HOME=self.home + "/config", VARVE_KEYRING="off")
        self.project = os.path.join(self.home, "project")
        os.makedirs(os.path.join(self.project, "src"))
        self.put("src/train.py", "lr = 0.1\n")
        self.client = varve.Client(REAL, self.project)

    def put(self, name: str, text: str) -> None:
        with open(os.path.join(self.project, name), "w") as f:
            f.write(text)

    def got(self, name: str) -> str:
        with open(os.path.join(self.project, name)) as f:
            return f.read()

    def test_snap_log_restore(self) -> None:
        first = self.client.snap("the beginning", {"stage": "one"}, milestone="start")
        self.assertEqual((first["version"], first["message"], first["milestone"]), (1, "the beginning", "start"))
        self.put("src/train.py", "lr = 0.2\n")
        self.client.snap()
        self.assertEqual([s["version"] for s in self.client.log()], [2, 1])
        self.assertEqual(len(self.client.log(os.path.join(self.project, "src/train.py"))), 2)
        plan = self.client.restore("start", [os.path.join(self.project, "src")], dry_run=True)
        self.assertTrue(plan["dry_run"])
        self.assertEqual(self.got("src/train.py"), "lr = 0.2\n")
        self.client.restore("start", [os.path.join(self.project, "src")])
        self.assertEqual(self.got("src/train.py"), "lr = 0.1\n")
        self.client.restore("v2", to=os.path.join(self.home, "out"))
        with open(os.path.join(self.home, "out", "src", "train.py")) as f:
            self.assertEqual(f.read(), "lr = 0.2\n")
        with self.assertRaises(varve.VarveError) as caught:
            self.client.restore("nothing-like-it")
        self.assertTrue(caught.exception.message)
        self.assertEqual(caught.exception.exit, 1)

    def test_guard(self) -> None:
        self.put("policy.toml", POLICY)
        with varve.guard("good", policy=os.path.join(self.project, "policy.toml"), scope=["src"], params={"lr": 0.2}, seed=7, client=self.client) as run:
            self.put("src/train.py", "lr = 0.2\n")
            for step in range(5):
                varve.log_metrics({"auroc": 0.9 + random.Random(step).random() / 100}, step=step, seed=7)
        self.assertFalse(run.rolled_back)
        self.assertEqual(self.got("src/train.py"), "lr = 0.2\n")
        with self.assertRaises(varve.RolledBack):
            with varve.guard("bad", policy=os.path.join(self.project, "policy.toml"), scope=["src"], seed=7, client=self.client):
                self.put("src/train.py", "lr = 900\n")
                varve.log_metrics({"auroc": 0.5}, step=1, seed=7)
        self.assertEqual(self.got("src/train.py"), "lr = 0.2\n")

    def test_guard_around(self) -> None:
        self.put("src/train.py", "import varve\nwith varve.guard('inner') as run:\n    assert run.joined\n    varve.log_metrics({'auroc': 0.9})\n")
        where = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        done: List[str] = [REAL, "-C", self.project, "guard", "--", sys.executable, os.path.join(self.project, "src/train.py")]
        subprocess.run(done, check=True, env=dict(os.environ, PYTHONPATH=where, VARVE_BINARY=REAL))


POLICY = """[[metric]]
name = "auroc"
direction = "higher"
floor = 0.85
severity = "critical"
"""

if __name__ == "__main__":
    unittest.main()
