"""What the training of many members leaves behind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from jaxbm.core import checks
from jaxbm.core.calls import answering
from jaxbm.core.settings import on_purpose
from jaxbm.members import stacking
from jaxbm.models.protocol import Model
from jaxbm.training.whole_run import FitResult


@answering("members")
class MembersResult(FitResult):
    """A `FitResult` whose every array has a leading axis of members.

    Attributes:
      models: each member's architecture; of length one where they all have the same.

    Example: see `jaxbm.fit_members`.
    """

    models: tuple[Model, ...]

    def __new__(cls, *fields: Any, models: Sequence[Model] = ()) -> MembersResult:
        self = super().__new__(cls, *fields)
        self.models = tuple(models)
        return self

    @classmethod
    def of(cls, result: FitResult, models: Sequence[Model]) -> MembersResult:
        """Name the members' architectures."""
        return cls(*result, models=models)

    def _replace(self, /, **fields: Any) -> MembersResult:
        return MembersResult.of(FitResult(*self)._replace(**fields), self.models)

    @property
    def members(self) -> int:
        """How many there are."""
        return int(self.epochs_run.shape[0])

    @property
    def model(self) -> Model:
        """The architecture that `params` have: the padded one where widths differ."""
        return self.models[0].padded(self.models)

    @property
    def best_values(self) -> np.ndarray:
        """float32 `[M]`: each member's lowest validation loss, or training loss without validation; infinite where
        there is none."""
        values = np.asarray(self.history.get("val_loss", self.history["loss"]))
        return np.min(np.where(np.isfinite(values), values, np.inf), axis=1)

    @property
    def best(self) -> int:
        """The member with the lowest of `best_values`."""
        return int(np.argmin(self.best_values))

    def model_of(self, k: int) -> Model:
        """Member `k`'s own architecture."""
        return self.models[k if len(self.models) > 1 else 0]

    @on_purpose
    def member(self, k: int) -> FitResult:
        """Member `k` as `fit` would have returned it, in its own widths.

        Raises:
          IndexError: there is no such member.
        """
        k = checks.integer("member", k)
        if not -self.members <= k < self.members:
            raise IndexError(f"member: expected 0 to {self.members - 1}, got {k}")
        one = stacking.member(FitResult(*self), k)
        if len(self.models) == 1:
            return one
        return self.models[k].cut(one)


def _flatten(result: MembersResult) -> tuple[tuple[Any, ...], tuple[Model, ...]]:
    return tuple(result), result.models


jax.tree_util.register_pytree_node(
    MembersResult, _flatten, lambda models, fields: MembersResult(*fields, models=models)
)


class NonFiniteMembersWarning(UserWarning):
    """Members whose loss or parameters became NaN or infinite; `.found` lists `(index, epoch, hyper-parameters)`."""

    SHOWN = 5

    def __init__(self, found: Sequence[tuple[int, int, dict[str, float]]], members: int):
        self.found, self.members = list(found), members
        told = []
        for index, epoch, numbers in self.found[: self.SHOWN]:
            own = ", ".join(f"{name}={value:.4g}" for name, value in numbers.items())
            told.append(f"member {index} in epoch {epoch}" + (f" ({own})" if own else ""))
        more = len(self.found) - self.SHOWN
        super().__init__(
            f"{len(self.found)} of {members} members became NaN or infinite and were stopped "
            "(epochs counted from 0): " + "; ".join(told) + (f"; and {more} more" if more > 0 else "")
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.found, self.members)
