"""`Ensemble`: what many members predict together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np
from jax.typing import ArrayLike

from jaxbm.core import checks, forks
from jaxbm.core import rows as row_trees
from jaxbm.core.arrays import host_real
from jaxbm.core.brief import shown
from jaxbm.core.calls import answering, helpful
from jaxbm.core.device import placed, taken
from jaxbm.core.extras import needs
from jaxbm.core.labels import host_classes
from jaxbm.core.names import lookup
from jaxbm.core.settings import on_purpose
from jaxbm.losses import OUTPUTS, meaning
from jaxbm.members.result import MembersResult
from jaxbm.members.selection import Score, greedy_selection
from jaxbm.models.protocol import Model, Params, as_model, check_numbers, shape_of
from jaxbm.training.predict import features_on_host
from jaxbm.training.stacked import stacked_logits

BLOCK_NUMBERS = 2**24
"""Logits of all members that are held at once, in numbers."""


@answering("ensemble")
@helpful
@dataclass(frozen=True)
class Ensemble:
    """Members that predict together.

    Args:
      model: the architecture of `params`.
      params: with a leading axis of members.
      weights: `[M]`, nonnegative; None for equal ones.
      temperature: members' logits are divided by it before they become probabilities.
      bounds: `mean` is kept within these two, such as the least and the greatest label of the training rows; None
        for no bounds.
      meaning: what outputs mean to the loss that was trained, of `jaxbm.losses.OUTPUTS`: "log mean" and others whose
        mean is not the mean of outputs, "steps" of ordered classes.

    Raises:
      ValueError: the shapes don't fit, a number is out of range, or no loss takes outputs for `meaning`.

    Example:
      >>> import jax, jaxbm, numpy as np
      >>> x = np.random.default_rng(0).normal(size=(100, 3)).astype("float32")
      >>> y = (x[:, 0] > 0).astype("float32")
      >>> many = jaxbm.fit_members(jax.random.key(0), jaxbm.MLP((3, 8, 1)), x, y, members=5, bootstrap=True,
      ...     loss="sigmoid_binary_cross_entropy")
      >>> ensemble = jaxbm.Ensemble.of(many)
      >>> ensemble.probabilities(x).shape, ensemble.spread(x).shape, ensemble.vote(x).shape
      ((100, 2), (100, 1), (100,))

    Source: Breiman (1996); Lakshminarayanan, Pritzel and Blundell (2017).
    """

    model: Model
    params: Params
    weights: Any = None
    temperature: float = 1.0
    bounds: tuple[float, float] | None = None
    meaning: str = "scores"

    def __post_init__(self) -> None:
        _check_members(self.model, self.params)
        checks.one_number("temperature", self.temperature)
        if not 0 < self.temperature < np.inf:
            raise ValueError(f"temperature: expected a positive number, got {self.temperature}")
        object.__setattr__(self, "temperature", float(self.temperature))
        if self.bounds is not None:
            ends = host_real("bounds", self.bounds)
            if ends.shape != (2,) or not ends[0] <= ends[1]:
                raise ValueError(f"bounds: expected the lower and the upper one, got {ends.ravel()[:3].tolist()}")
            object.__setattr__(self, "bounds", (float(ends[0]), float(ends[1])))
        lookup("meaning", self.meaning, OUTPUTS)
        if self.weights is not None:
            weights = host_real("weights", self.weights).astype(np.float64)
            if weights.shape != (self.members,) or not (weights >= 0).all() or not 0 < weights.sum() < np.inf:
                raise ValueError(
                    f"weights: expected [{self.members}] finite numbers, nonnegative and not all zero, got "
                    + (f"shape {list(weights.shape)}" if weights.shape != (self.members,) else "others")
                )
            total = weights.sum()  # of those that come back from a folder within rounding of 1: they stay as they are
            object.__setattr__(self, "weights", weights if abs(total - 1) < 1e-12 else weights / total)

    @classmethod
    @on_purpose
    def of(cls, result: MembersResult) -> Ensemble:
        """The members of a training run that stayed finite.

        Raises:
          TypeError: `result` is not what `jaxbm.fit_members` returns.
          ValueError: none did.
        """
        if not isinstance(result, MembersResult):
            raise TypeError(f"result: expected what jaxbm.fit_members returns, got {checks.told(result)}")
        finite = np.flatnonzero(np.asarray(result.finite))
        if not finite.size:
            raise ValueError("result: expected at least one finite member, got none")
        params = result.params
        if len(finite) < result.members:
            params = taken(params, finite)
        return cls(result.model, params)

    @property
    def members(self) -> int:
        """How many."""
        return int(jax.tree.leaves(self.params)[0].shape[0])

    def logits(self, x: Any) -> np.ndarray:
        """float32 `[M, n, out]`: every member's output."""
        return np.concatenate(list(self._blocks(x)), axis=1)

    def mean(self, x: Any) -> np.ndarray:
        """float64 `[n, out]`: the weighted mean of the members' outputs, a regression's prediction; of outputs that
        are logarithms of means, the logarithm of their mean, and of predicted distributions that of their mixture."""
        averages = (self._average(meaning.moments(b.astype(np.float64), self.meaning)) for b in self._blocks(x))
        found = np.concatenate([meaning.outputs_of(average, self.meaning) for average in averages])
        return found if self.bounds is None else np.clip(found, *self.bounds)

    def spread(self, x: Any) -> np.ndarray:
        """float64 `[n, out]`: the weighted standard deviation of the members' outputs around their mean."""
        blocks = [np.sqrt(self._average(np.square(b - self._average(b)))) for b in self._blocks(x)]
        return np.concatenate(blocks)

    def quantiles(self, x: Any, q: ArrayLike) -> np.ndarray:
        """`[len(q), n, out]`: quantiles of the members' outputs; without interpolation where weights are given."""
        at: Any = host_real("q", q).astype(np.float64)
        checks.in_range("q", at, 0.0, 1.0)
        options: dict[str, Any] = {}
        if self.weights is not None:
            options = {"method": "inverted_cdf", "weights": self.weights}
        return np.concatenate([np.quantile(block, at, axis=0, **options) for block in self._blocks(x)], axis=-2)

    def probabilities(self, x: Any) -> np.ndarray:
        """float64 `[n, classes]`: the weighted mean of the members' probabilities; two classes for one output."""
        return np.concatenate([self._average(self._probabilities(b, self.temperature)) for b in self._blocks(x)])

    def vote(self, x: Any) -> np.ndarray:
        """int `[n]`: the class that most members (by weight) find most probable; the lower one of two equal."""
        parts = []
        for block in self._blocks(x):
            of_steps = self.meaning == "steps"
            seen = self._probabilities(block, 1.0) if of_steps else block
            picked = (seen[..., 0] > 0).astype(int) if seen.shape[-1] == 1 else seen.argmax(axis=-1)
            ballots = np.eye(max(2, seen.shape[-1]))[picked]
            parts.append(self._average(ballots).argmax(axis=-1))
        return np.concatenate(parts)

    @needs("calibrating an ensemble")
    def calibrated(self, x: Any, y: ArrayLike) -> Ensemble:
        """The ensemble with the temperature that makes the log loss on held-out rows least.

        Args:
          x: `[n, in]`, rows that the members were not trained on.
          y: class numbers `[n]`.

        Source: Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks" (2017).
        """
        from scipy.optimize import minimize_scalar

        logits = self.logits(x).astype(np.float64)
        labels = host_classes("y", y, len(logits[0]), self._probabilities(logits[:, :1], 1.0).shape[-1])

        def loss(log_temperature: float) -> float:
            p = self._average(self._probabilities(logits, float(np.exp(log_temperature))))
            return -float(np.log(np.maximum(p[np.arange(len(labels)), labels], 1e-300)).mean())

        found = minimize_scalar(loss, bounds=(-4.0, 4.0), method="bounded", options={"xatol": 1e-5})
        return replace(self, temperature=float(np.exp(found.x)))

    @on_purpose
    def selected(
        self, x: ArrayLike, y: ArrayLike, *, score: str | Score = "log_loss", size: int = 50, drop: bool = True
    ) -> Ensemble:
        """The ensemble with the weights that greedy selection finds on held-out rows.

        Args:
          x, y: rows that the members were not trained on.
          score, size: as for `jaxbm.members.selection.greedy_selection`; "squared_error" averages what
            outputs predict, every other score probabilities.
          drop: leave out members that were never taken.
        """
        is_named = isinstance(score, str)  # an array would be compared with a name element by element
        drop, logits = checks.flag("drop", drop), self.logits(x)
        if not (is_named and score == "squared_error"):
            predictions = self._probabilities(logits, self.temperature)
        else:
            predictions = logits if self.meaning == "scores" else meaning.predicted(logits, self.meaning)[..., None]
        labels = host_real("y", y)
        if is_named and score != "squared_error":
            labels = host_classes("y", y, len(logits[0]), predictions.shape[-1])
        counts = greedy_selection(predictions, labels, score=score, size=size)
        if not drop:
            return replace(self, weights=counts)
        chosen = np.flatnonzero(counts)
        return replace(self, params=taken(self.params, chosen), weights=counts[chosen])

    def _blocks(self, x: Any) -> Iterator[np.ndarray]:
        rows = features_on_host(self.model, x)
        n = row_trees.count(rows)
        size = max(1, BLOCK_NUMBERS // (self.members * self.model.n_outputs))
        size = min(1 << (size.bit_length() - 1), 1 << max(9, (n - 1).bit_length()))
        for start in range(0, max(1, n), size):
            part = row_trees.take(rows, slice(start, start + size))
            yield self._block(row_trees.filled(part, size))[:, : n - start]  # one shape to compile

    @on_purpose
    def _block(self, rows: Any) -> np.ndarray:
        forks.check()
        return np.asarray(stacked_logits(self.model, self.params, jax.tree.map(placed, rows)))

    def _average(self, block: np.ndarray) -> np.ndarray:
        block = block.astype(np.float64)
        return block.mean(axis=0) if self.weights is None else np.tensordot(self.weights, block, axes=1)

    def _probabilities(self, logits: np.ndarray, temperature: float) -> np.ndarray:
        return meaning.class_probabilities(logits.astype(np.float64) / temperature, self.meaning)

    def __repr__(self) -> str:
        return shown(self)


def _check_members(model: Model, params: Params) -> None:
    """ValueError or TypeError where `params` are not those of several members of the model."""
    check_numbers("params", params)
    lengths = {shape_of(leaf)[:1] for leaf in jax.tree.leaves(params)}
    if len(lengths) != 1 or lengths & {(), (0,)}:
        told = sorted(list(length) for length in lengths)
        raise ValueError(f"params: expected a leading axis of members on every array, got lengths {told}")
    one = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(shape_of(leaf)[1:], jax.numpy.result_type(leaf)), params)
    as_model(model).check_params(one)
