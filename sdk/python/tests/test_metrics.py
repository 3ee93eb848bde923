import json
import math
import multiprocessing
import os
import tempfile
import threading
import unittest
import warnings
from typing import Any, List

import varve
from varve import _metrics


def many(path: str, who: int, count: int) -> None:
    writer = varve.MetricsWriter(path)
    for i in range(count):
        writer.log({"a": i, "b": i + 0.5, "text": 1}, step=i, who=who, filler="x" * (who * 97 % 400))


class Scalar:
    """As the scalars of NumPy, PyTorch, TensorFlow and JAX behave."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def item(self) -> Any:
        if isinstance(self.value, list):
            raise ValueError("only one element tensors can be converted to Python scalars")
        return self.value


class MetricsTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "metrics.jsonl")

    def lines(self) -> List[Any]:
        with open(self.path) as f:
            return [json.loads(line) for line in f]

    def test_whole_lines_from_many_processes(self) -> None:
        processes, count = 4, 300
        # Each begins anew: nothing is handed on but the path.
        context = multiprocessing.get_context("spawn")
        workers = [context.Process(target=many, args=(self.path, who, count)) for who in range(processes)]
        for w in workers:
            w.start()
        for w in workers:
            w.join()
            self.assertEqual(w.exitcode, 0)
        lines = self.lines()
        self.assertEqual(len(lines), processes * count * 3)
        for i in range(0, len(lines), 3):  # what was noted together stays together, in order
            self.assertEqual([o["metric"] for o in lines[i : i + 3]], ["a", "b", "text"])
            self.assertEqual(len({(o["who"], o["step"]) for o in lines[i : i + 3]}), 1)
        for who in range(processes):
            self.assertEqual([o["step"] for o in lines if o["who"] == who and o["metric"] == "a"], list(range(count)))

    def test_threads_and_forks(self) -> None:
        writer = varve.MetricsWriter(self.path)
        threads = [threading.Thread(target=lambda: [writer.log({"x": i}) for i in range(100)]) for _ in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(len(self.lines()), 400)
        if hasattr(os, "fork"):
            pid = os.fork()
            if pid == 0:
                writer.log({"child": 1})
                os._exit(0)
            os.waitpid(pid, 0)
            writer.log({"parent": 1})
            self.assertEqual([o["metric"] for o in self.lines()[-2:]], ["child", "parent"])
        writer.close()

    def test_after_one_that_was_killed(self) -> None:
        with open(self.path, "w") as f:
            f.write('{"metric":"a","val')
        varve.MetricsWriter(self.path).log({"b": 1})
        with open(self.path) as f:
            first, second = f.read().splitlines()
        self.assertEqual(json.loads(second)["metric"], "b")

    def test_values(self) -> None:
        writer = varve.MetricsWriter(self.path)
        writer.log({"i": 1, "f": 0.1, "t": True, "n": float("nan"), "inf": float("inf"), "s": Scalar(2.5), "sb": Scalar(False), "deep": {"er": Scalar(3)}, "ö": 1e-300, "big": 2**53})
        got = {o["metric"]: o["value"] for o in self.lines()}
        self.assertTrue(math.isnan(got.pop("n")))
        self.assertEqual(got, {"i": 1, "f": 0.1, "t": 1, "inf": math.inf, "s": 2.5, "sb": 0, "deep.er": 3, "ö": 1e-300, "big": 2**53})
        before = len(self.lines())
        for bad in ("text", None, [1], Scalar([1, 2]), b"1"):
            with self.assertRaises(TypeError):
                writer.log({"good": 1, "bad": bad})
        with self.assertRaises(TypeError):
            writer.log({"a": 1}, value="label")
        self.assertEqual(len(self.lines()), before)
        self.assertEqual(_metrics.numbers({"a": 1, "b": "x", "c": Scalar([1, 2]), "d": Scalar(4)}), {"a": 1, "d": 4})

    def test_more_than_one_write(self) -> None:
        varve.MetricsWriter(self.path).log({"metric%05d" % i: i for i in range(20000)})
        self.assertEqual([o["value"] for o in self.lines()], list(range(20000)))

    def test_outside_of_a_run(self) -> None:
        was = os.environ.pop("VARVE_METRICS", None)
        _metrics._open.warned = False
        try:
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always")
                self.assertFalse(varve.log_metrics({"a": 1}))
                self.assertFalse(varve.log_metrics({"a": 1}))
            self.assertEqual(len(said), 1)
        finally:
            if was is not None:
                os.environ["VARVE_METRICS"] = was


if __name__ == "__main__":
    unittest.main()
