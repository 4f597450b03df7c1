"""Whether a metric has a meaning for labels, asked before anything is trained."""

import numpy as np
from jax.typing import ArrayLike

from jaxbm.core.arrays import given
from jaxbm.core.checks import bad_value, is_traced
from jaxbm.core.names import lookup
from jaxbm.metrics.outputs import DECIDED, PROBABLE, RANKED
from jaxbm.metrics.table import WAYS

OF_NUMBERS = ("class", "rank")
"""Kinds of labels that are class numbers, see `jaxbm.losses.LABELS`."""


def check_labels(name: str, labels: ArrayLike, kind: str | None = None, num_classes: int | None = None) -> None:
    """ValueError where the metric called `name` has no meaning for these labels; concrete ones, on the host.

    Args:
      name: of `METRICS`.
      labels: `[n]` or `[n, k]`.
      kind: as for `for_labels`.
      num_classes: how many classes the model tells apart, for labels that are class numbers.

    Example:
      >>> import jaxbm
      >>> jaxbm.metrics.check_labels("accuracy", [0.0, 1.0, 1.0])
    """
    _, way = lookup("metric", name, WAYS)
    if way not in (DECIDED, PROBABLE, RANKED) or is_traced(labels):
        return
    host, is_number = given("labels", labels), kind in OF_NUMBERS
    if host.ndim == 2 and kind == "distribution":
        good = ((host == 0) | (host == 1)).all(axis=1) & ((host == 1).sum(axis=1) == 1)
        expected = "one-hot rows"
    elif (host.ndim == 2 and host.shape[1] > 1) or num_classes is None or (num_classes <= 2 and not is_number):
        whole = host == np.round(host.astype(np.float64))
        good = whole & (np.abs(host.astype(np.float64)) <= 1) if num_classes is not None or host.ndim == 2 else whole
        expected = "0 and 1, or -1 and 1" if num_classes is not None or host.ndim == 2 else "class numbers"
    else:
        good = (host == np.round(host.astype(np.float64))) & (host >= 0) & (host < num_classes)
        expected = f"classes 0 to {num_classes - 1}"
    if not good.all():
        raise bad_value("y", f"{expected} for metric {name!r}", host, ~good)
