"""Presets: everything that decides how a table is learned, under one word each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from jaxbm.core import checks
from jaxbm.core.names import lookup, unknown
from jaxbm.core.words import counted
from jaxbm.losses import known, losses_for
from jaxbm.run.options import NUMBERS, OPTIONS
from jaxbm.table.number_encodings import BINS, FREQUENCIES

TRAINING = ("batch_size", *NUMBERS, "bootstrap", "augment", "privacy", "precision", "implementation")
"""Options of `jaxbm.fit` that a recipe may hold; rows, start and what is recorded are `tabular.fit`'s own affair."""
BATCHES = 128
"""Batches of an epoch at which the accurate preset's batches begin to grow with the table."""
SMALLEST_BATCH, LARGEST_BATCH = 32, 512
MOST_FEATURES = 4000
"""Features of numbers, bins included, beyond which a preset takes fewer bins: each one is a row of weights."""
STEPS, LEAST_EPOCHS = 60_000, 10
"""Updates of one network after which the accurate preset ends at the latest, but not before so many epochs."""


@dataclass(frozen=True)
class Recipe:
    """How a table is learned.

    Args:
      name: of the preset that it was made from.
      hidden: widths of the hidden layers.
      activation, weight_init: as for `jaxbm.MLP`.
      numbers, bins, frequencies: how numbers become features, as for `jaxbm.table.prepare`.
      categories: how categories become features, as for `jaxbm.table.prepare`; statistics of the target are those of
        a member's own training rows.
      members: how many networks predict together.
      folds: parts of the rows, each of which validates some of the members; 0 for none.
      validation_split: without folds, fraction of the rows that validates.
      optimizer: its name.
      learning_rate: of the optimizer.
      loss: its name, also with hyper-parameters (`"pinball_loss(quantiles=0.9)"`); None for the task's own.
      clip: keep a regression's predictions between the least and the greatest label.
      time: seconds for a search of widths, depth and rates; None for no search.
      training: further options of `jaxbm.fit`, such as `epochs`; what isn't there has that function's default.
    """

    name: str
    hidden: tuple[int, ...] = (64, 32)
    activation: Any = "relu"
    weight_init: str = "glorot_uniform"
    numbers: str | Mapping[str, str] = "standard"
    bins: int = BINS
    frequencies: int = FREQUENCIES
    categories: str = "one-hot"
    members: int = 1
    folds: int = 0
    validation_split: float = 0.0
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    loss: str | None = None
    clip: bool = False
    time: float | None = None
    training: Mapping[str, Any] = field(default_factory=dict)

    @property
    def each(self) -> int:
        """How many networks are trained with rows of their own; of a search those of its first round."""
        return self.members if self.time is None else 2 * self.folds

    @property
    def told(self) -> str:
        """It in words."""
        if self.time is not None:
            return (
                f"{self.name}: a search of {self.time:g} s over widths, depth and rates, judged on {self.folds} "
                f"folds, and the ensemble that predicts them best; numbers: {self._numbers_told}"
            )
        if self.members == 1:
            who = "one network"
        else:
            who = counted(self.members, "network") + ", each on its own draw of rows" * bool(
                self.training.get("bootstrap")
            )
        if self.folds:
            judged = f"each validated on one of {self.folds} folds that it was not trained on"
        elif self.validation_split:
            judged = f"validated on {self.validation_split:.0%} of the rows"
        else:
            judged = "not validated"
        epochs = self.training.get("epochs", OPTIONS["epochs"].default)
        stop = ", stopped early" if self.training.get("patience") is not None else ""
        return (
            f"{self.name}: {who}, {judged}; at most {counted(epochs, 'epoch')}{stop}; numbers: {self._numbers_told}"
        )

    @property
    def _numbers_told(self) -> str:
        return self.numbers if isinstance(self.numbers, str) else "by column"


#: The brief of many textbooks, and what Keras users write first.
_CLASSIC = Recipe("classic", validation_split=0.2, training={"epochs": 10, "batch_size": 32})
_ACCURATE = Recipe(
    "accurate",
    numbers="piecewise",
    categories="target",
    members=16,
    folds=8,
    learning_rate=2e-3,
    clip=True,
    training={"patience": 20, "dropout": 0.1},
)
_BEST = replace(_ACCURATE, name="best", members=8, time=60.0)
PRESETS = {"accurate": _ACCURATE, "best": _BEST, "classic": _CLASSIC}
SEARCHED = ("hidden", "learning_rate", "optimizer", "members", "dropout", "bootstrap")
"""What a search decides."""
DEFAULT = "accurate"
_FIELDS = tuple(f.name for f in fields(Recipe) if f.name not in ("name", "training"))


def recipe_of(preset: str | Recipe, changes: Mapping[str, Any], rows: int) -> Recipe:
    """A preset's recipe for a table of `rows` rows, with changes: fields of `Recipe` and options of `jaxbm.fit`.

    Raises:
      ValueError, TypeError: a name is unknown, or a value is unusable.

    Example:
      >>> from jaxbm.tabular.recipes import recipe_of
      >>> recipe_of("accurate", {"members": 8, "epochs": 50}, rows=400).told
      'accurate: 8 networks, each validated on one of 8 folds that it was not trained on; at most 50 epochs, stopped early; numbers: piecewise'
    """  # noqa: E501
    recipe = preset if isinstance(preset, Recipe) else lookup("preset", preset, PRESETS)
    strange = [name for name in changes if name not in (*_FIELDS, *TRAINING)]
    if strange:
        raise unknown("tabular.fit", strange[0], (*_FIELDS, *TRAINING))
    if changes.get("time") is not None and recipe.time is None:
        raise ValueError(f"time: expected None with preset {recipe.name!r}, got {changes['time']}; 'best' searches")
    training = dict(recipe.training)
    if recipe.folds:  # a long table has its accuracy in fewer epochs of larger batches
        batch = int(np.clip(2 ** np.round(np.log2(max(rows, 1) / BATCHES)), SMALLEST_BATCH, LARGEST_BATCH))
        training.setdefault("batch_size", batch)
        size = changes.get("batch_size", training["batch_size"])
        steps = max(1, rows // max(1, checks.positive_int("batch_size", size)))
        training.setdefault("epochs", int(np.clip(STEPS // steps, LEAST_EPOCHS, 200)))
    training |= {name: value for name, value in changes.items() if name in TRAINING}
    made = replace(recipe, training=training, **{name: changes[name] for name in _FIELDS if name in changes})
    _check(made, changes)
    return made


def fewer_bins(recipe: Recipe, changes: Mapping[str, Any], columns: int) -> tuple[Recipe, list[str]]:
    """The recipe for a table of so many columns, and what is to be told: a wide one has fewer bins, or none.

    Args:
      recipe: of a table.
      changes: that were asked for; an encoding that is among them stays.
      columns: of the table, without the target.

    Example:
      >>> from jaxbm.tabular.recipes import PRESETS, fewer_bins
      >>> fewer_bins(PRESETS["accurate"], {}, 500)[1]
      ['bins of each number: 7 instead of 16, since there are 500 columns']
    """
    if recipe.numbers != "piecewise" or {"numbers", "bins"} & set(changes):
        return recipe, []
    bins = MOST_FEATURES // max(columns, 1) - 1
    if bins >= recipe.bins:
        return recipe, []
    why = f"since there are {columns:,} columns"
    if bins < 2:
        return replace(recipe, numbers="standard"), [f"no bins of numbers, {why}"]
    return replace(recipe, bins=bins), [f"bins of each number: {bins} instead of {recipe.bins}, {why}"]


def loss_of(task: str, given: Any = None, option: str = "loss") -> str:
    """The name of a loss that fits the task, hyper-parameters included; without one given, the task's default.

    Args:
      task: "binary", "multiclass" or "regression".
      given: a name, or a loss of `jaxbm.losses`.
      option: what it is called in messages.

    Raises:
      ValueError: it does not fit the task, or there is no such loss or hyper-parameter.

    Example:
      >>> from jaxbm.tabular.recipes import loss_of
      >>> loss_of("regression"), loss_of("regression", "pinball_loss(quantiles=0.9)")
      ('squared_error', 'pinball_loss(quantiles=0.9)')
    """
    fitting = losses_for(task)
    if given is None:
        return fitting[0]
    found = known(given)
    if found is None or found.entry.name not in fitting:
        raise unknown(f"{option} for task {task!r}", given, fitting)
    return found.__name__


def task_of_loss(task: str | None, given: Any = None) -> str | None:
    """The task that a loss stands for where none was named: small counts would be taken for classes otherwise.

    Example:
      >>> from jaxbm.tabular.recipes import task_of_loss
      >>> task_of_loss(None, "poisson_deviance"), task_of_loss(None, "squared_error"), task_of_loss("binary", None)
      ('regression', None, 'binary')
    """
    found = known(given)
    if task is not None or found is None:
        return task
    of_its_own = found.labels in ("count", "amount") or found.entry.outputs in ("quantiles", "gaussian")
    return "regression" if of_its_own else None


def _check(recipe: Recipe, changes: Mapping[str, Any]) -> None:
    checks.positive_int("members", recipe.members)
    if np.ndim(recipe.hidden) != 1:
        raise TypeError(f"hidden: expected widths such as (64, 32), got {recipe.hidden!r}")
    if recipe.training.get("privacy") is not None:
        _check_private(recipe)
    if recipe.time is not None:
        checks.number("time", recipe.time)
        if not (recipe.time > 0 and np.isfinite(recipe.time)):
            raise ValueError(f"time: expected a positive number of seconds, got {recipe.time}")
        if not recipe.folds:
            raise ValueError(f"folds: expected at least 2 for a search, which judges by them, got {recipe.folds}")
        searched = [name for name in SEARCHED if name in changes]
        if searched:
            raise ValueError(f"{searched[0]}: expected nothing beside a search, which decides it")
    if recipe.folds != 0 and checks.positive_int("folds", recipe.folds) < 2:
        raise ValueError(f"folds: expected at least 2, or 0 for none, got {recipe.folds}")
    for name, encoding in (("bins", "piecewise"), ("frequencies", "fourier")):
        if name in changes and isinstance(recipe.numbers, str) and recipe.numbers != encoding:
            raise ValueError(
                f"{name}: expected none with numbers {recipe.numbers!r}, got {changes[name]!r}; {encoding!r} has them"
            )
    split = recipe.validation_split
    if not 0 <= split < 1:
        raise ValueError(f"validation_split: expected a fraction that leaves rows to train on, got {split}")
    if recipe.folds and split:
        other = "; preset 'classic' validates on a fraction" if "folds" not in changes else ""
        raise ValueError(f"validation_split: expected 0 beside folds, which validate already, got {split}{other}")


def _check_private(recipe: Recipe) -> None:
    """Nothing that looks at private rows may choose anything."""
    looks = {
        "folds": recipe.folds, "time": recipe.time, "clip": recipe.clip, "patience": recipe.training.get("patience"),
        "categories": None if recipe.categories == "one-hot" else recipe.categories,
    }  # fmt: skip
    for name, value in looks.items():
        if value:
            raise ValueError(
                f"{name}: expected none with privacy, since it goes by private rows, got {value}; preset 'classic' "
                "has none"
            )
