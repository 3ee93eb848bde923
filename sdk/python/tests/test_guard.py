import os
import sys
import unittest
import warnings

import varve

from .stand_in import StandIn


class GuardTest(StandIn):
    def test_begins_notes_and_ends(self) -> None:
        with varve.guard("lora-r16", policy="policy.toml", scope=["src", "-odd"], params={"rank": 16, "on": True, "l": [1]}, seed=7) as run:
            self.assertIs(varve.current_run(), run)
            self.assertEqual(os.environ["VARVE_RUN"], "r1")
            self.assertTrue(varve.log_metrics({"loss": 0.5, "ood": {"fpr": 0.1}}, step=3, site="a"))
            run.log_metrics({"auroc": 0.9}, seed=7)
        self.assertNotIn("VARVE_RUN", os.environ)
        self.assertNotIn("VARVE_METRICS", os.environ)
        self.assertIsNone(varve.current_run())
        self.assertEqual(run.verdict, "passed")
        self.assertFalse(run.rolled_back)
        start, finish = self.calls()
        self.assertEqual(start[:2], ["run", "--json"])
        for word in ("start", "--name=lora-r16", "--policy=" + os.path.abspath("policy.toml"), "--scope=src", "--scope=-odd", "--param=rank=16", "--param=on=true", "--param=l=[1]", "--seed=7"):
            self.assertIn(word, start)
        self.assertEqual(finish[2:], ["finish", "r1", "--exit=0"])
        kept = self.lines()
        self.assertEqual([(o["metric"], o["value"], o.get("step"), o.get("seed"), o.get("site")) for o in kept], [("loss", 0.5, 3, None, "a"), ("ood.fpr", 0.1, 3, None, "a"), ("auroc", 0.9, None, 7, None)])
        self.assertTrue(all(o["time"].endswith("Z") for o in kept))

    def test_rolled_back_is_raised(self) -> None:
        self.plan(rolled_back=True)
        with self.assertRaises(varve.RolledBack) as caught:
            with varve.guard("x"):
                pass
        self.assertEqual(caught.exception.exit, 4)
        self.assertIn("auroc", str(caught.exception))
        with varve.guard("x", raise_on_rollback=False) as run:
            pass
        self.assertTrue(run.rolled_back)
        with self.assertRaises(varve.RolledBack):  # a program that ends as if all were well must not hide it
            with varve.guard("x"):
                sys.exit(0)

    def test_an_exception_goes_on_its_way(self) -> None:
        self.plan(rolled_back=True)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            with self.assertRaisesRegex(ValueError, "NaN in the loss"):
                with varve.guard("x"):
                    raise ValueError("NaN in the loss")
        self.assertIn("rolled back", str(said[0].message))
        self.assertEqual(self.calls()[-1][2:], ["finish", "r1", "--exit=1", "--error=ValueError: NaN in the loss"])
        for error, code in ((KeyboardInterrupt(), 130), (SystemExit(3), 3), (SystemExit("bad"), 1)):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                with self.assertRaises(type(error)):
                    with varve.guard("x"):
                        raise error
            self.assertIn("--exit=%d" % code, self.calls()[-1])

    def test_a_failing_varve_does_not_hide_an_exception(self) -> None:
        self.plan(fail="run finish")
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            with self.assertRaises(ValueError):
                with varve.guard("x"):
                    raise ValueError()
        self.assertIn("busy", str(said[0].message))
        with self.assertRaises(varve.VarveError) as caught:
            with varve.guard("x"):
                pass
        self.assertEqual((caught.exception.exit, caught.exception.code, caught.exception.hint), (11, "busy", "wait"))
        self.assertNotIn("VARVE_RUN", os.environ)

    def test_nothing_runs_unguarded(self) -> None:
        self.plan(fail="run start")
        with self.assertRaises(varve.VarveError):
            with varve.guard("x"):
                self.fail("it ran without a snapshot")
        os.environ["VARVE_BINARY"] = os.path.join(self.home, "nothing")
        with self.assertRaisesRegex(varve.VarveError, "is not here"):
            with varve.guard("x"):
                self.fail("it ran without a snapshot")

    def test_joins_what_is_under_way(self) -> None:
        with varve.guard("outer") as outer:
            with varve.guard("inner") as inner:
                self.assertTrue(inner.joined)
                self.assertEqual(inner.id, outer.id)
                inner.log_metrics({"a": 1})
            varve.log_metrics({"b": 2})
        self.assertEqual(len(self.calls()), 2)
        self.assertEqual([o["metric"] for o in self.lines()], ["a", "b"])
        os.environ["RANK"] = "1"
        with varve.guard("x") as run:
            self.assertTrue(run.joined)
        self.assertEqual(len(self.calls()), 2)

    def test_guards_a_function(self) -> None:
        @varve.guard("x", seed=1)
        def work(n: int) -> int:
            varve.log_metrics({"n": n})
            return n + 1

        self.assertEqual(work(1), 2)
        self.assertEqual(work(2), 3)
        self.assertEqual(len(self.calls()), 4)

    def test_usage(self) -> None:
        with self.assertRaises(TypeError):
            varve.guard("x", scope="src")
        g = varve.guard("x")
        with g:
            pass
        with self.assertRaises(RuntimeError):
            with g:
                pass


class VerbsTest(StandIn):
    def test_verbs(self) -> None:
        self.assertEqual(varve.snap("-m", {"k": "v"}, "v5")["version"], 3)
        self.assertEqual(self.calls()[-1], ["snap", "--json", "--message=-m", "--tag=k=v", "--milestone=v5"])
        self.plan(code=3)
        self.assertEqual(varve.snap()["version"], 3)
        self.assertEqual([o["version"] for o in varve.log("-x")], [2, 1])
        self.assertEqual(self.calls()[-1], ["log", "--json", "--", "-x"])
        varve.restore("v1", ["a", "-b"], to="out", dry_run=True)
        self.assertEqual(self.calls()[-1], ["restore", "--json", "--yes", "--to=" + os.path.abspath("out"), "--dry-run", "--", "v1", "a", "-b"])
        self.assertEqual(varve.compare("v1", "v2", ["auroc"])[0]["verdict"], "worse")
        varve.Client(directory="d", vault="V").snap()
        self.assertEqual(self.calls()[-1][:4], ["-C", "d", "--vault", "V"])
        self.plan(fail="snap")
        with self.assertRaises(varve.VarveError):
            varve.snap()


if __name__ == "__main__":
    unittest.main()
