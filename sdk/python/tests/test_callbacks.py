"""Small trainers that call their callbacks in the order, and with the arguments, of the real ones."""

import sys
import types
import unittest
from typing import Any, Dict, List

import varve
from varve import callbacks


class Tensor:
    """A scalar of PyTorch, as it lies in the metrics of Lightning."""

    def __init__(self, value: float) -> None:
        self.value = value

    def item(self) -> float:
        return self.value


class CallbacksTest(unittest.TestCase):
    def setUp(self) -> None:
        self.noted: List[Dict[str, Any]] = []

    def write(self, values: Any, step: Any = None, seed: Any = None, **labels: Any) -> None:
        self.noted.append(dict({"values": dict(values), "step": step, "seed": seed}, **labels))

    def keras_fit(self, callback: Any, epochs: int) -> None:
        """Model.fit of Keras 3: CallbackList sets params and model, then calls each event with logs; evaluate runs within."""
        callback.set_params({"verbose": 0, "epochs": epochs, "steps": 2})
        callback.set_model(object())
        callback.on_train_begin({})
        for epoch in range(epochs):
            callback.on_epoch_begin(epoch, {})
            for batch in range(2):
                callback.on_train_batch_begin(batch, {})
                callback.on_train_batch_end(batch, {"loss": 1.0})
            callback.on_test_begin({})
            callback.on_test_batch_begin(0, {})
            callback.on_test_batch_end(0, {})
            callback.on_test_end({"loss": 3.0})
            callback.on_epoch_end(epoch, {"loss": 1.0 / (epoch + 1), "val_loss": 2.0})
        callback.on_train_end({"loss": 0.5})

    def test_keras(self) -> None:
        callback = callbacks.keras(seed=5, write=self.write, fold=1)
        self.keras_fit(callback, 2)
        want = [{"values": {"loss": 1.0 / (e + 1), "val_loss": 2.0}, "step": e, "seed": 5, "fold": 1} for e in range(2)]
        self.assertEqual(self.noted, want)
        callback.on_test_begin({})  # model.evaluate afterwards
        callback.on_test_end({"loss": 0.25})
        self.assertEqual(self.noted[2:], [{"values": {"test_loss": 0.25}, "step": None, "seed": 5, "fold": 1}])

    def test_keras_has_the_base_that_is_there(self) -> None:
        class Callback:
            def __init__(self) -> None:
                self.params: Any = None

            def set_params(self, params: Any) -> None:
                self.params = params

            def _implements_train_batch_hooks(self) -> bool:
                return False

        for name in ("set_model", "on_train_begin", "on_epoch_begin", "on_train_batch_begin", "on_train_batch_end", "on_test_begin", "on_test_batch_begin", "on_test_batch_end", "on_test_end", "on_train_end"):
            setattr(Callback, name, lambda self, *a, **k: None)
        module, parent = types.ModuleType("keras.callbacks"), types.ModuleType("keras")
        module.Callback = Callback  # type: ignore[attr-defined]
        parent.callbacks = module  # type: ignore[attr-defined]
        saved = {n: sys.modules.get(n) for n in ("keras", "keras.callbacks")}
        sys.modules.update({"keras": parent, "keras.callbacks": module})
        try:
            callback = callbacks.keras(write=self.write)
            self.assertIsInstance(callback, Callback)
            self.assertFalse(callback._implements_train_batch_hooks())
            self.keras_fit(callback, 1)
            self.assertEqual(callback.params["epochs"], 1)
            self.assertEqual(len(self.noted), 1)
        finally:
            for n, m in saved.items():
                if m is None:
                    del sys.modules[n]
                else:
                    sys.modules[n] = m

    def test_huggingface(self) -> None:
        """Trainer.train: CallbackHandler calls every event as event(args, state, control, model=…, …); evaluate logs, too."""
        callback = callbacks.huggingface(write=self.write)
        args, control, state = types.SimpleNamespace(seed=42), object(), types.SimpleNamespace(global_step=0, epoch=0.0, is_world_process_zero=True)

        def event(name: str, **kw: Any) -> None:
            result = getattr(callback, name)(args, state, control, model=None, processing_class=None, optimizer=None, **kw)
            self.assertIsNone(result)  # anything else would be taken for a new control

        event("on_init_end")
        event("on_train_begin")
        event("on_epoch_begin")
        for step in (1, 2):
            event("on_step_begin")
            event("on_pre_optimizer_step")
            event("on_optimizer_step")
            state.global_step = step
            event("on_step_end")
            event("on_log", logs={"loss": 0.5, "learning_rate": 1e-5, "epoch": 0.5 * step})
        event("on_log", logs={"eval_loss": 0.25, "eval_report": "text", "epoch": 1.0})
        event("on_evaluate", metrics={"eval_loss": 0.25, "epoch": 1.0})
        event("on_save")
        event("on_epoch_end")
        event("on_train_end")
        self.assertEqual([(n["step"], n["seed"], sorted(n["values"])) for n in self.noted], [(1, 42, ["epoch", "learning_rate", "loss"]), (2, 42, ["epoch", "learning_rate", "loss"]), (2, 42, ["epoch", "eval_loss"])])
        state.is_world_process_zero = False
        event("on_log", logs={"loss": 1})
        self.assertEqual(len(self.noted), 3)

    def test_lightning(self) -> None:
        """Trainer.fit: setup, a sanity check, then for each epoch batches, a validation, and the end of the training epoch."""
        callback = callbacks.lightning(seed=3, write=self.write)
        trainer, module = types.SimpleNamespace(sanity_checking=True, is_global_zero=True, global_step=0, current_epoch=0, callback_metrics={"val_loss": Tensor(9)}), object()
        callback.setup(trainer, module, stage="fit")
        callback.on_fit_start(trainer, module)
        callback.on_sanity_check_start(trainer, module)
        callback.on_validation_end(trainer, module)
        callback.on_sanity_check_end(trainer, module)
        trainer.sanity_checking = False
        callback.on_train_start(trainer, module)
        for epoch in range(2):
            trainer.current_epoch = epoch
            callback.on_train_epoch_start(trainer, module)
            trainer.global_step += 4
            callback.on_train_batch_end(trainer, module, None, None, 0)
            trainer.callback_metrics = {"val_loss": Tensor(1.0 - epoch / 2)}
            callback.on_validation_epoch_end(trainer, module)
            callback.on_validation_end(trainer, module)
            trainer.callback_metrics = {"val_loss": Tensor(1.0 - epoch / 2), "train_loss": Tensor(0.5)}
            callback.on_train_epoch_end(trainer, module)
        callback.on_train_end(trainer, module)
        callback.teardown(trainer, module, stage="fit")
        want = []
        for epoch, val in ((0, 1.0), (1, 0.5)):
            want.append({"values": {"val_loss": val}, "step": 4 * (epoch + 1), "seed": 3, "epoch": epoch})
            want.append({"values": {"train_loss": 0.5}, "step": 4 * (epoch + 1), "seed": 3, "epoch": epoch})
        self.assertEqual(self.noted, want)

    def test_ultralytics(self) -> None:
        """BaseTrainer runs the functions of on_fit_epoch_end after each epoch, and once more in final_eval."""
        functions: Dict[str, List[Any]] = {}
        model = types.SimpleNamespace(add_callback=lambda event, f: functions.setdefault(event, []).append(f))
        self.assertIs(callbacks.ultralytics(model, write=self.write), model)
        trainer = types.SimpleNamespace(epoch=0, tloss=[0.1, 0.2], metrics={}, lr={"lr/pg0": 0.01}, label_loss_items=lambda loss, prefix: {prefix + "/box_loss": loss[0], prefix + "/cls_loss": loss[1]})
        for epoch in range(2):
            trainer.epoch = epoch
            trainer.metrics = {"metrics/mAP50(B)": 0.5 + epoch / 10, "fitness": "none"}
            for f in functions["on_fit_epoch_end"]:
                f(trainer)
        trainer.metrics = {"metrics/mAP50(B)": 0.75}
        for f in functions["on_fit_epoch_end"]:
            f(trainer)
        self.assertEqual([n["step"] for n in self.noted], [1, 2, 2])
        self.assertEqual(self.noted[0]["values"], {"train/box_loss": 0.1, "train/cls_loss": 0.2, "metrics/mAP50(B)": 0.5, "lr/pg0": 0.01})
        self.assertEqual(self.noted[2]["values"], {"best/metrics/mAP50(B)": 0.75})

    def test_scikit_learn(self) -> None:
        callbacks.cross_validation({"fit_time": [0.5, 0.25], "test_score": [0.9, Tensor(0.8)], "estimator": [object(), object()]}, seed=1, write=self.write)
        self.assertEqual([(n["values"], n["fold"], n["seed"]) for n in self.noted], [({"fit_time": 0.5}, 0, 1), ({"fit_time": 0.25}, 1, 1), ({"test_score": 0.9}, 0, 1), ({"test_score": 0.8}, 1, 1)])
        self.noted.clear()
        estimator = types.SimpleNamespace(train_score_=[3.0, 2.0, 1.0])
        look = callbacks.monitor(every=2, write=self.write)
        for i in range(3):
            self.assertFalse(look(i, estimator, {}))
        self.assertEqual([(n["step"], n["values"]) for n in self.noted], [(0, {"train_score": 3.0}), (2, {"train_score": 1.0})])

    def test_lightgbm(self) -> None:
        callback = callbacks.lightgbm(write=self.write)
        for i in range(2):
            callback(types.SimpleNamespace(model=None, params={}, iteration=i, begin_iteration=0, end_iteration=2, evaluation_result_list=[("valid_0", "auc", 0.5 + i / 10, True)]))
        self.assertEqual([(n["step"], n["values"]) for n in self.noted], [(0, {"valid_0.auc": 0.5}), (1, {"valid_0.auc": 0.6})])

    def test_without_any_trainer(self) -> None:
        for made in (callbacks.keras(), callbacks.huggingface(), callbacks.lightning()):
            with self.assertRaises(AttributeError):
                made.nothing_like_it
        self.assertIs(varve.callbacks, callbacks)


if __name__ == "__main__":
    unittest.main()
