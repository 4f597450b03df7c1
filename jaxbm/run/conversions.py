"""What users give for an option that fixes the compiled program, checked, and made into what that holds."""

from collections.abc import Callable, Mapping
from typing import Any

from jax import Array

from jaxbm import losses
from jaxbm.core import checks, elsewhere
from jaxbm.core.names import lookup, suggestion
from jaxbm.metrics import METRICS, Hook, for_labels
from jaxbm.metrics.table import WAYS

Loss = Callable[..., Array]
Metric = Callable[[Array, Any, Array | None], Array]
OURS: dict[Any, str] = {function: name for name, (function, _) in WAYS.items()} | {
    hook: name for name, hook in METRICS.items()
}
"""The metrics as functions of decisions, probabilities or numbers, which stand for what reads logits."""


def loss_function(name: str, loss: Any) -> Loss:
    """The loss called so, or the function itself."""
    if isinstance(loss, str):
        return losses.loss(loss)
    if not (callable(loss) and checks.is_hashable(loss)):
        expected = "a name or a hashable function (logits, labels) -> values"
        raise TypeError(f"{name}: expected {expected}, got {checks.told(loss)}")
    if (theirs := elsewhere.foreign(loss, "jaxbm.losses", losses.LOSSES)) is not None:
        raise TypeError(f"{name}: expected a function of JAX arrays or a name, got {theirs}")
    return loss


MOST_ROWS = 2**30
"""of a table, and so of a batch: programs count them in int32"""


def batch_size(name: str, value: Any) -> int:
    """Rows of a batch; more than a table can have are as many as it has."""
    return min(checks.positive_int(name, value), MOST_ROWS)


def metric_functions(name: str, metrics: Any) -> tuple[tuple[str, Metric], ...]:
    """`(name, function)` of each metric, from names, functions or a mapping."""
    if isinstance(metrics, str) or callable(metrics):
        metrics = (metrics,)
    if not checks.is_several(metrics):
        raise TypeError(f"{name}: expected names or functions, got {checks.told(metrics)}")
    if isinstance(metrics, Mapping):
        return tuple((key, _checked(name, key, function)) for key, function in metrics.items())
    found: dict[str, Metric] = {}
    for key, function in (_named(name, metric) for metric in metrics):
        if found.setdefault(key, function) is not function:
            raise ValueError(f"{name}: expected another name for each, got {key!r} twice; a mapping may say them")
    return tuple(found.items())


def _named(name: str, metric: Any) -> tuple[str, Metric]:
    """A metric of a sequence: one of ours by its name or by its function, or a user's under its own name."""
    if not callable(metric):
        return metric, lookup(name, metric, METRICS)
    key = OURS.get(metric) if checks.is_hashable(metric) else None
    if key is None:
        key = getattr(metric, "__name__", "<a function>")
        if not key.isidentifier():
            raise TypeError(
                f"{name}: expected a function that has a name, or a mapping {{name: function}}, got {key}"
            )
    return key, _checked(name, key, metric)


def _checked(name: str, key: Any, function: Any) -> Metric:
    """A metric under a name that is free; TypeError or ValueError where it can't be one, or not be called so."""
    if not isinstance(key, str):
        raise TypeError(f"{name}: expected names as keys, got {checks.told(key)}")
    if key == "loss" or key.startswith("val_"):
        raise ValueError(f"{name}: expected names other than 'loss' and 'val_...', which are taken, got {key!r}")
    if isinstance(function, str):
        return lookup(name, function, METRICS)
    if not (callable(function) and checks.is_hashable(function)):
        expected = "a hashable function (logits, labels, weights)"
        raise TypeError(f"{name}: expected {expected} for {key!r}, got {checks.told(function)}")
    if str(getattr(function, "__module__", "")).startswith("sklearn."):
        hint = suggestion(getattr(function, "__name__", key), METRICS)
        raise TypeError(f"{name}: expected a function that JAX can trace for {key!r}, got scikit-learn's{hint}")
    return METRICS[OURS[function]] if function in OURS else function


def metric_for(metric: Metric, loss: str | Loss) -> Metric:
    """A metric of ours for the labels that a loss takes and the outputs that it asks for; any other as it is."""
    found = losses.known(loss)
    if not isinstance(metric, Hook) or found is None:
        return metric
    quantiles = found.numbers["quantiles"] if found.entry.outputs == "quantiles" else 0.5
    return for_labels(metric.name, found.labels, found.entry.outputs, quantiles)


def augmentation(name: str, augment: Any) -> Any:
    """A function that can be part of what fixes a compiled program, or None."""
    if augment is not None and not (callable(augment) and checks.is_hashable(augment)):
        raise TypeError(f"{name}: expected a hashable function (key, x, y) -> (x, y), got {type(augment).__name__}")
    return augment


def monitor(name: str, value: Any) -> str:
    """The name of a recorded value; which ones there are is known where the run is built."""
    if not isinstance(value, str):
        raise TypeError(f"{name}: expected the name of a recorded value such as 'val_loss', got {checks.told(value)}")
    return value


def mode(name: str, value: Any) -> str:
    """ "auto", "min" or "max"."""
    if not (isinstance(value, str) and value in ("auto", "min", "max")):
        raise ValueError(f"{name}: expected 'auto', 'min' or 'max', got {checks.told(value)}")
    return value
