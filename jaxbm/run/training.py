"""`Training`: one run's options as they were given, frozen, and what they amount to for the compiled program."""

from collections.abc import Sequence
from dataclasses import field, make_dataclass, replace
from inspect import isroutine
from typing import Any

import numpy as np
from jax import Array

from jaxbm.core import checks, elsewhere
from jaxbm.core.checks import told
from jaxbm.core.device import placed
from jaxbm.metrics import greater_is_better, heeds_weights
from jaxbm.models.protocol import check_numbers
from jaxbm.optimizers import adam, is_data
from jaxbm.optimizers.protocol import check_schedule
from jaxbm.run import lookahead
from jaxbm.run.contract import Data, Hyper, Run, Task
from jaxbm.run.conversions import metric_for
from jaxbm.run.option import EXECUTION, REQUIRED
from jaxbm.run.options import NUMBERS, OPTIONS, STATICS

_Options: Any = make_dataclass(
    "_Options",
    [
        (name, Any) if option.default is REQUIRED else (name, Any, field(default=option.default))
        for name, option in OPTIONS.items()
    ],
    frozen=True,
    kw_only=True,
    eq=False,
)


class Training(_Options):
    """The description of a training run: every option of `options.TrainingOptions`, as given or by default.

    Example:
      >>> from jaxbm.run.training import Training
      >>> training = Training(loss="squared_error", l2=0.1)
      >>> training.epochs, training.l2, training.dropout
      (10, 0.1, None)
    """

    def build(
        self,
        model: Any,
        data: Data,
        *,
        members: int | None = None,
        most: Sequence[int | None] = (None, None),
        widths: Array | None = None,
    ) -> Run:
        """Everything about the run, checked.

        Args:
          model: what is trained.
          data: its rows, checked.
          members: how many members may have numbers of their own; None where there is but one run.
          most: bounds on the members' counts of rows, to train and to validate on.
          widths: the members' own widths.

        Raises:
          ValueError, TypeError: an option is unusable; names it.
        """
        check_numbers("params", self.params)
        check_numbers("opt_state", self.opt_state)
        optimizer, is_data = self._optimizer(model)
        epochs, own_epochs = self._epochs(members)
        task = Task(
            model=model,
            epochs=epochs,
            optimizer=None if is_data else optimizer,
            most_rows=most[0],
            most_rows_val=most[1],
            **{name: OPTIONS[name].convert(name, getattr(self, name)) for name in STATICS},
        )
        # Metrics of ours read labels as the loss does.
        metrics = tuple((name, metric_for(metric, self.loss)) for name, metric in task.metrics)
        task = replace(task, metrics=metrics, monitor_mode=self._monitor_mode(task, data))
        numbers = {name: self._number(name, members) for name in NUMBERS if name != "epochs"}
        hyper = Hyper(optimizer=optimizer if is_data else None, epochs=own_epochs, widths=widths, **numbers)
        return Run(task, data, hyper, self.params, self.opt_state)

    def decisive(self) -> dict[str, Any]:
        """The options that decide the results, by name: all but those of execution. For a folder's fingerprint."""
        return {name: getattr(self, name) for name, option in OPTIONS.items() if option.role != EXECUTION}

    def _optimizer(self, model: Any) -> tuple[Any, bool]:
        """The optimizer, and whether it is data, not functions."""
        optimizer = adam(1e-3) if self.optimizer is None else self.optimizer
        if not (hasattr(optimizer, "init") and hasattr(optimizer, "update")):
            made = f"the function {optimizer.__name__}, not called" if isroutine(optimizer) else told(optimizer)
            if isinstance(optimizer, str):
                made += elsewhere.hint("jaxbm", optimizer, ())
            raise TypeError(
                f"optimizer: expected one with init and update, such as jaxbm.adam(1e-3) or any of Optax, got {made}"
            )
        check_schedule("learning_rate", getattr(optimizer, "learning_rate", None))
        if not is_data(optimizer) and not checks.is_hashable(optimizer):
            raise TypeError(f"optimizer: expected one that is hashable, got a {type(optimizer).__name__}")
        if is_data(optimizer):
            return optimizer, True
        return lookahead.trained(optimizer, model), False

    def _monitor_mode(self, task: Task, data: Data) -> str:
        """ "max" where the monitored value is better when greater; else what was given."""
        recorded = ["loss", *(name for name, _ in task.metrics)]
        recorded += [] if data.x_val is None else [f"val_{name}" for name in recorded]
        if task.monitor not in (*recorded, "val_loss"):
            raise ValueError(f"monitor: expected one of what the run records, {recorded}, got {task.monitor!r}")
        name = task.monitor.removeprefix("val_")
        if task.monitor_mode != "auto" or name == "loss":
            return task.monitor_mode
        if not heeds_weights(dict(task.metrics)[name]):
            raise ValueError(f"monitor_mode: expected 'min' or 'max' for your own metric {name!r}, got 'auto'")
        return "max" if greater_is_better(dict(task.metrics)[name].name) else "auto"

    def _epochs(self, members: int | None) -> tuple[int, Array | None]:
        """The most epochs of any member, and each one's own where they differ."""
        if members is None or np.ndim(self.epochs) == 0:
            return _countable(checks.positive_int("epochs", self.epochs)), None
        if checks.is_traced(self.epochs):
            raise TypeError("epochs: expected numbers that are known when a run is built, got some that are traced")
        own = np.asarray(self.epochs)
        if own.shape != (members,) or own.dtype.kind not in "iu" or own.min() < 1:
            raise ValueError(f"epochs: expected positive integers of shape [{members}], got {told(own)}")
        return _countable(int(own.max())), placed(own, np.int32)

    def _number(self, name: str, members: int | None) -> Array | None:
        option, value = OPTIONS[name], getattr(self, name)
        if value is None:
            return None
        checks.number(name, value, whole=option.whole)
        checks.in_range(name, value, option.low, option.high, open_high=option.open_high)
        allowed = ((),) if members is None else ((), (members,))
        if np.shape(value) not in allowed:
            or_own = "" if members is None else f" or shape [{members}]"
            raise ValueError(f"{name}: expected a number{or_own}, got {list(np.shape(value))}")
        if option.beside is not None and getattr(self, option.beside) is None:
            return None
        if not option.whole:
            return placed(value, np.float32)
        # More than can be counted is never reached.
        return placed(value if checks.is_traced(value) else np.minimum(value, np.iinfo(np.int32).max), np.int32)


def _countable(epochs: int) -> int:
    """ValueError where int32, in which a run counts its epochs, would wrap round."""
    if epochs > np.iinfo(np.int32).max:
        raise ValueError(f"epochs: expected 1 to {np.iinfo(np.int32).max}, got {epochs}")
    return epochs
