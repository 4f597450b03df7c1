"""Results as a table: a pandas DataFrame where pandas is installed, else a dictionary of arrays."""

from collections.abc import Mapping
from typing import Any

import numpy as np


def tidy(columns: Mapping[str, Any]) -> Any:
    """A table of equally long columns.

    Example:
      >>> from jaxbm.core.dataframe import tidy
      >>> list(tidy({"trial": [0, 1], "score": [0.5, 0.25]})["score"])
      [0.5, 0.25]
    """
    try:
        import pandas as pd
    except ModuleNotFoundError:
        return {name: np.asarray(values) for name, values in columns.items()}
    return pd.DataFrame(dict(columns))
