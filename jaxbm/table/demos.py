"""Tables from arrays and from scikit-learn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jaxbm.core.extras import needs
from jaxbm.core.names import unknown

if TYPE_CHECKING:
    import pandas as pd

DEMOS = ("breast_cancer", "diabetes", "digits", "iris", "wine")


@needs("jaxbm.table")
def from_arrays(
    x: Any, y: Any = None, *, feature_names: list[str] | None = None, target: str = "target"
) -> pd.DataFrame:
    """A DataFrame from features `[n, d]` and labels `[n]`, columns named x0, x1, ... unless named.

    Raises:
      ValueError: the shapes don't fit.
    """
    import pandas as pd

    x = np.asarray(x)
    names = feature_names or [f"x{i}" for i in range(x.shape[1] if x.ndim == 2 else 0)]
    if x.ndim != 2 or len(names) != x.shape[1]:
        raise ValueError(f"x: expected shape [n, {len(names)}], got {list(x.shape)}")
    frame = pd.DataFrame(x, columns=names)
    if y is not None:
        if np.shape(y) != (len(x),):
            raise ValueError(f"y: expected shape [{len(x)}], got {list(np.shape(y))}")
        frame[target] = np.asarray(y)
    return frame


@needs("jaxbm.table")
def demo(name: str = "breast_cancer") -> tuple[pd.DataFrame, str]:
    """A real data set that scikit-learn carries, and the name of its target column.

    Named classes keep scikit-learn's order, so that splits and figures compare with those of its own users.

    Raises:
      ValueError: `name` is not in `DEMOS`.
    """
    if name not in DEMOS:
        raise unknown("demo", name, DEMOS)
    import pandas as pd
    from sklearn import datasets

    bunch = getattr(datasets, f"load_{name}")(as_frame=True)
    frame = bunch.frame
    if name not in ("diabetes", "digits"):
        frame["target"] = pd.Categorical.from_codes(bunch.target, bunch.target_names)
    return frame, "target"
