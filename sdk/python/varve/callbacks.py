"""Callbacks that note the metrics of the common trainers.

None of the trainers is imported before its callback is made, and none is needed by the others:

    model.fit(x, y, callbacks=[varve.callbacks.keras()])                     Keras 2 and 3, tf.keras
    Trainer(..., callbacks=[varve.callbacks.huggingface()])                  Hugging Face transformers
    Trainer(callbacks=[varve.callbacks.lightning()])                         Lightning, PyTorch Lightning
    varve.callbacks.ultralytics(model); model.train(...)                     Ultralytics YOLO
    varve.callbacks.cross_validation(cross_validate(...))                    scikit-learn, one line a fold
    GradientBoostingClassifier().fit(x, y, monitor=varve.callbacks.monitor())
    lightgbm.train(..., callbacks=[varve.callbacks.lightgbm()])              LightGBM

All of them write with :func:`varve.log_metrics`, and take a ``seed`` and labels to write with each line.
"""

from __future__ import annotations

import importlib
from typing import Any, Callable, Dict, Mapping, Optional, Sequence, Tuple, Type

from ._metrics import log_metrics, number, numbers

Logger = Callable[..., Any]


def _base(*places: Tuple[str, str]) -> Type[Any]:
    """The first class that there is; object where the trainer is not here, or is one that only behaves like it."""
    for module, name in places:
        try:
            found = getattr(importlib.import_module(module), name, None)
        except ImportError:
            continue
        if isinstance(found, type):
            return found
    return object


def _ignore(*_: Any, **__: Any) -> None:
    return None


class _Quiet:
    """Answers the events of a trainer that nobody here listens to."""

    _events: Tuple[str, ...] = ()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("on_") or name in self._events:
            return _ignore
        raise AttributeError(name)


def _class(mixin: Type[Any], base: Type[Any]) -> Type[Any]:
    return type(mixin.__name__.lstrip("_"), (mixin, _Quiet) if base is object else (mixin, base), {})


class _Keras:
    """Notes the logs at the end of each epoch, and those of evaluate at the end of a test that is none of a fit."""

    _events = ("set_params", "set_model")

    def __init__(self, seed: Optional[int], labels: Mapping[str, Any], write: Logger) -> None:
        super().__init__()
        self._varve = (seed, dict(labels), write)
        self._fitting = False
        self._offset = 0

    def on_train_begin(self, logs: Optional[Mapping[str, Any]] = None) -> None:
        self._fitting = True

    def on_train_end(self, logs: Optional[Mapping[str, Any]] = None) -> None:
        self._fitting = False

    def on_epoch_end(self, epoch: int, logs: Optional[Mapping[str, Any]] = None) -> None:
        seed, labels, write = self._varve
        values = numbers(logs or {})
        if values:
            write(values, step=int(epoch), seed=seed, **labels)

    def on_test_end(self, logs: Optional[Mapping[str, Any]] = None) -> None:
        seed, labels, write = self._varve
        values = numbers(logs or {})
        if values and not self._fitting:
            write({"test_" + k: v for k, v in values.items()}, seed=seed, **labels)


def keras(seed: Optional[int] = None, write: Logger = log_metrics, **labels: Any) -> Any:
    """A callback for ``model.fit`` and ``model.evaluate`` of Keras. The step is the epoch, from 0."""
    base = _base(("keras.callbacks", "Callback"), ("tensorflow.keras.callbacks", "Callback"))
    return _class(_Keras, base)(seed, labels, write)


class _HuggingFace:
    """Notes what the Trainer logs: losses, learning rate, and what evaluate has found."""

    def __init__(self, seed: Optional[int], labels: Mapping[str, Any], write: Logger) -> None:
        super().__init__()
        self._varve = (seed, dict(labels), write)

    def on_log(self, args: Any, state: Any, control: Any, logs: Optional[Mapping[str, Any]] = None, **_: Any) -> None:
        if not getattr(state, "is_world_process_zero", True):
            return
        seed, labels, write = self._varve
        if seed is None:
            given = getattr(args, "seed", None)
            seed = given if isinstance(given, int) else None
        values = numbers(logs or {})
        if values:
            write(values, step=getattr(state, "global_step", None), seed=seed, **labels)


def huggingface(seed: Optional[int] = None, write: Logger = log_metrics, **labels: Any) -> Any:
    """A callback for the Trainer of transformers. The step is its global step; the seed, if none is given, its own."""
    return _class(_HuggingFace, _base(("transformers", "TrainerCallback")))(seed, labels, write)


class _Lightning:
    """Notes the metrics of the trainer after each validation and each epoch, each of them once a step."""

    _events = ("setup", "teardown", "state_dict", "load_state_dict")

    def __init__(self, seed: Optional[int], labels: Mapping[str, Any], write: Logger) -> None:
        super().__init__()
        self._varve = (seed, dict(labels), write)
        self._last: Dict[str, Tuple[Any, Any]] = {}

    def _note(self, trainer: Any) -> None:
        if getattr(trainer, "sanity_checking", False) or not getattr(trainer, "is_global_zero", True):
            return
        seed, labels, write = self._varve
        step = getattr(trainer, "global_step", None)
        fresh = {}
        for name, value in numbers(getattr(trainer, "callback_metrics", {}) or {}).items():
            if self._last.get(name) != (step, value):
                self._last[name] = (step, value)
                fresh[name] = value
        if fresh:
            write(fresh, step=step, seed=seed, epoch=int(getattr(trainer, "current_epoch", 0)), **labels)

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        self._note(trainer)

    def on_train_epoch_end(self, trainer: Any, pl_module: Any, *_: Any) -> None:
        self._note(trainer)

    def on_test_end(self, trainer: Any, pl_module: Any) -> None:
        self._note(trainer)


def lightning(seed: Optional[int] = None, write: Logger = log_metrics, **labels: Any) -> Any:
    """A callback for the Trainer of Lightning. The step is its global step."""
    base = _base(("lightning.pytorch.callbacks", "Callback"), ("pytorch_lightning.callbacks", "Callback"), ("pytorch_lightning", "Callback"))
    return _class(_Lightning, base)(seed, labels, write)


def ultralytics(model: Any, seed: Optional[int] = None, write: Logger = log_metrics, **labels: Any) -> Any:
    """Has a YOLO model note its losses and metrics after each epoch, and those of its best weights at the end, as ``best/…``.

    The step is the epoch, from 1 as in its results.csv. Returns the model.
    """
    seen: Dict[str, int] = {}

    def fit_epoch_end(trainer: Any) -> None:
        epoch = int(getattr(trainer, "epoch", 0)) + 1
        values: Dict[str, Any] = {}
        label = getattr(trainer, "label_loss_items", None)
        if callable(label) and getattr(trainer, "tloss", None) is not None:
            values.update(numbers(label(trainer.tloss, prefix="train") or {}))
        values.update(numbers(getattr(trainer, "metrics", {}) or {}))
        values.update(numbers(getattr(trainer, "lr", {}) or {}))
        if seen.get("epoch") == epoch:
            # The trainer calls once more, after it has looked at its best weights.
            values = {"best/" + k: v for k, v in numbers(getattr(trainer, "metrics", {}) or {}).items()}
        seen["epoch"] = epoch
        if values:
            write(values, step=epoch, seed=seed, **labels)

    model.add_callback("on_fit_epoch_end", fit_epoch_end)
    return model


def cross_validation(results: Mapping[str, Any], seed: Optional[int] = None, write: Logger = log_metrics, **labels: Any) -> None:
    """Notes what ``cross_validate`` of scikit-learn returned: a line for each fold, so that two versions compare pairwise."""
    for name, values in results.items():
        if not name.startswith(("test_", "train_", "fit_time", "score_time")):
            continue  # estimators and indices
        for fold, value in enumerate(values):
            n = number(value)
            if n is not None:
                write({name: n}, seed=seed, fold=fold, **labels)


def monitor(seed: Optional[int] = None, every: int = 1, write: Logger = log_metrics, **labels: Any) -> Callable[[int, Any, Mapping[str, Any]], bool]:
    """A monitor for ``fit`` of scikit-learn's gradient boosting. The step is the iteration, from 0."""

    def look(iteration: int, estimator: Any, local: Mapping[str, Any]) -> bool:
        if iteration % max(every, 1) == 0:
            values: Dict[str, Any] = {}
            for attribute, name in (("train_score_", "train_score"), ("oob_improvement_", "oob_improvement")):
                series: Optional[Sequence[Any]] = getattr(estimator, attribute, None)
                if series is not None and iteration < len(series):
                    values[name] = series[iteration]
            if values:
                write(numbers(values), step=iteration, seed=seed, **labels)
        return False  # go on

    return look


def lightgbm(seed: Optional[int] = None, write: Logger = log_metrics, **labels: Any) -> Callable[[Any], None]:
    """A callback for ``lightgbm.train`` and the estimators of LightGBM. The step is the iteration, from 0."""

    def after(env: Any) -> None:
        values = {"%s.%s" % (item[0], item[1]): item[2] for item in (env.evaluation_result_list or [])}
        if values:
            write(numbers(values), step=int(env.iteration), seed=seed, **labels)

    after.order = 25  # type: ignore[attr-defined]  # after those that change the result
    return after
