"""`fit` for one model whose run is kept in a folder: it is the one member of a run of many."""

from __future__ import annotations

import os
import warnings
from typing import Any

from jax import Array

from jaxbm.members.fit_members import fit_members
from jaxbm.members.result import NonFiniteMembersWarning
from jaxbm.models.protocol import Model
from jaxbm.training.fit import FitResult, NonFiniteError, fit


def fit_single(
    key: Array, model: Model, x: Any, y: Any, *, folder: str | os.PathLike[str] | None, **options: Any
) -> FitResult:
    """`fit`, on the CPU kernel bit for bit; the same call with the same folder goes on after Ctrl-C or a kill.

    Args:
      folder: as for `fit_members`; None is `fit` itself.
      options: as for `fit_members`, and as for `fit` without a folder.

    Raises:
      NonFiniteError: as `fit` does.
      MembersInterrupted: Ctrl-C, with a folder.
    """
    if folder is None:
        return fit(key, model, x, y, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NonFiniteMembersWarning)
        result = fit_members(key[None], model, x, y, folder=folder, **options).member(0)
    if not bool(result.finite):
        raise NonFiniteError(int(result.epochs_run) - 1, result)
    return result
