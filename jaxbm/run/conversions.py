"""What users give for an option that fixes the compiled program, checked, and made into what that holds."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from jax import Array

from jaxbm import losses
from jaxbm.core import checks
from jaxbm.core.names import lookup
from jaxbm.metrics import METRICS, Hook, for_labels

Loss = Callable[..., Array]
Metric = Callable[[Array, Any, Array | None], Array]


def loss_function(name: str, loss: Any) -> Loss:
    """The loss called so, or the function itself."""
    if isinstance(loss, str):
        return losses.loss(loss)
    if not (callable(loss) and checks.is_hashable(loss)):
        expected = "a name or a hashable function (logits, labels) -> values"
        raise TypeError(f"{name}: expected {expected}, got {checks.told(loss)}")
    return loss


MOST_ROWS = 2**30
"""of a table, and so of a batch: programs count them in int32"""


def batch_size(name: str, value: Any) -> int:
    """Rows of a batch; more than a table can have are as many as it has."""
    return min(checks.positive_int(name, value), MOST_ROWS)


def metric_functions(name: str, metrics: Any) -> tuple[tuple[str, Metric], ...]:
    """`(name, function)` of each metric, from names or a mapping."""
    if isinstance(metrics, str):
        metrics = (metrics,)
    if not isinstance(metrics, Iterable):
        raise TypeError(f"{name}: expected names, or functions by name, got {checks.told(metrics)}")
    if isinstance(metrics, Mapping):
        for key, function in metrics.items():
            _check_own(name, key, function)
        return tuple(metrics.items())
    return tuple((metric, lookup(name, metric, METRICS)) for metric in metrics)


def _check_own(name: str, key: Any, function: Any) -> None:
    """TypeError or ValueError where a metric of a user's can't be one, or not be called so."""
    if not isinstance(key, str):
        raise TypeError(f"{name}: expected names as keys, got {checks.told(key)}")
    if key == "loss" or key.startswith("val_"):
        raise ValueError(f"{name}: expected names other than 'loss' and 'val_...', which are taken, got {key!r}")
    if not (callable(function) and checks.is_hashable(function)):
        expected = "a hashable function (logits, labels, weights)"
        raise TypeError(f"{name}: expected {expected} for {key!r}, got {checks.told(function)}")


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
