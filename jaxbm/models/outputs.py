"""What a model gives for rows, held against what it says it gives."""

import math
from typing import Any

from jaxbm.models.protocol import Model


def outputs_of(model: Model, found: Any, rows: int, *, members: bool = False) -> Any:
    """Outputs `[rows, ..., n_outputs]` of a model; of one output `[rows]` becomes `[rows, 1]`.

    Args:
      model: which gave them.
      found: an array of outputs.
      rows: of how many rows.
      members: whether there is a leading axis of members.

    Raises:
      ValueError: they are neither of so many rows nor as many for each as `n_outputs` says.

    Example:
      >>> import numpy as np, jaxbm
      >>> from jaxbm.models.outputs import outputs_of
      >>> outputs_of(jaxbm.MLP((3, 1)), np.ones(5), 5).shape
      (5, 1)
    """
    shape = tuple(found.shape[members:])
    if shape == (rows,) and model.n_outputs == 1:
        return found[..., None]
    own = shape[1:]
    if shape[:1] != (rows,) or not own or model.n_outputs not in (own[-1], math.prod(own)):
        raise ValueError(
            f"model: expected outputs [{rows}, {model.n_outputs}] of {model.title} for {rows} rows, as its n_outputs "
            f"says, got {list(shape)}"
        )
    return found
