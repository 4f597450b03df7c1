"""`fit_groups`: one model for each group of rows, however different the groups' sizes, in one call."""

from __future__ import annotations

import os
import pathlib
from dataclasses import dataclass, replace
from functools import reduce
from itertools import pairwise
from typing import Any, Unpack

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from jaxbm.core import arrays, checks, counter
from jaxbm.core import rows as row_trees
from jaxbm.core.brief import shown
from jaxbm.core.calls import helpful
from jaxbm.core.dataframe import tidy
from jaxbm.core.device import on_device
from jaxbm.core.keys import folded_keys
from jaxbm.core.settings import non_finite_is_told, on_purpose
from jaxbm.kernels.spare import spared
from jaxbm.members.checkpoint import check_folder
from jaxbm.members.fit_members import Setup, prepare, trained
from jaxbm.members.progress import MembersInterrupted, Report
from jaxbm.members.result import MembersResult
from jaxbm.members.resumable_fit import fit_single
from jaxbm.members.weight_checks import NoRowCounts
from jaxbm.models.protocol import Model
from jaxbm.privacy.spent import PrivacySpent
from jaxbm.run.accepts import Accepts
from jaxbm.run.inputs import features_and_labels, way_to_validate
from jaxbm.run.options import TrainingOptions
from jaxbm.run.training import Training
from jaxbm.studies.group_layout import Layout, check_none_missing, kind_of_labels
from jaxbm.training.fit import FitResult
from jaxbm.training.predict import features_on_host, predict
from jaxbm.training.stacked import stacked_logits


@dataclass(frozen=True)
class GroupsResult:
    """Models by group; made by `fit_groups`."""

    model: Model
    labels: np.ndarray
    """`[M]`: the group of each member, largest group first"""
    counts: np.ndarray
    """`[M]`: its rows"""
    result: MembersResult | None
    """None where no group was large enough"""
    too_small: np.ndarray
    """groups without a model of their own"""
    too_small_counts: np.ndarray
    pooled: FitResult | None
    """the model of all rows, which stands in for groups without their own"""

    @property
    def privacy(self) -> PrivacySpent | None:
        """What all models together tell of any one row: its group's, and the pooled one."""
        own, pooled = (None if part is None else part.privacy for part in (self.result, self.pooled))
        if own is None or pooled is None:
            return own or pooled
        return own.after(pooled).beside(pooled)

    def member(self, label: Any) -> FitResult:
        """One group's result, the pooled one where it has none of its own.

        Raises:
          KeyError: there is neither.
        """
        found = np.flatnonzero(self.labels == label)
        if found.size and self.result is not None:
            return self.result.member(int(found[0]))
        if self.pooled is None:
            raise KeyError(f"group {label!r}: expected one with a model of its own, since there is no pooled model")
        return self.pooled

    @on_purpose
    def predict(self, x: Any, groups: ArrayLike) -> np.ndarray:
        """Logits `[n, out]` of each row by its group's model; NaN where there is neither that nor a pooled one.

        Raises:
          ValueError: shapes don't fit.
        """
        x, groups = features_on_host(self.model, x), arrays.given("groups", groups)
        n = row_trees.count(x)
        if groups.shape != (n,):
            raise ValueError(f"groups: expected shape [{n}] like x, got {list(groups.shape)}")
        if groups.dtype.kind == "O":
            check_none_missing(groups)
        member = self._member_of(groups)
        out = np.full((n, self.model.n_outputs), np.nan, np.float32)
        others = np.flatnonzero(member < 0)
        if self.pooled is not None and others.size:
            out[others] = predict(self.model, self.pooled.params, row_trees.take(x, others))
        own = np.flatnonzero(member >= 0)
        if self.result is not None and own.size:
            out[own] = _by_member(self.model, self.result.params, row_trees.take(x, own), member[own])
        return out

    def table(self) -> Any:
        """A line for each group: rows, whether it has its own model, epochs, best epoch (from one) and losses."""
        nothing = np.full(len(self.too_small), np.nan)
        columns: dict[str, Any] = {
            "group": [*self.labels.tolist(), *self.too_small.tolist()],
            "rows": [*self.counts.tolist(), *self.too_small_counts.tolist()],
            "own_model": np.concatenate([np.ones(len(self.labels), bool), np.zeros(len(self.too_small), bool)]),
        }
        if self.result is not None:
            last = np.maximum(np.asarray(self.result.epochs_run) - 1, 0)
            values = {"epochs_run": self.result.epochs_run, "best_epoch": np.asarray(self.result.best_epoch) + 1}
            history = self.result.history
            values |= {name: np.asarray(history[name])[np.arange(len(last)), last] for name in history}
            columns |= {name: np.concatenate([np.asarray(v), nothing]) for name, v in values.items()}
        return tidy(columns)

    def _member_of(self, groups: np.ndarray) -> np.ndarray:
        known = self.labels if len(self.labels) else self.too_small
        if len(known) and len(groups):
            expected, got = kind_of_labels(known), kind_of_labels(groups)
            if expected != got:
                raise ValueError(f"groups: expected {expected} as in training, got {got}")
        order = np.argsort(self.labels)
        if not len(order):
            return np.full(len(groups), -1)
        at = np.minimum(np.searchsorted(self.labels, groups, sorter=order), len(order) - 1)
        return np.where(self.labels[order[at]] == groups, order[at], -1)

    def __repr__(self) -> str:
        return shown(self)


ACCEPTS = Accepts(
    "fit_groups",
    many=True,
    without=("rows", "validation_rows", "validation_data"),
    texts={
        "validation_split": "fraction of each group's rows, the last of them, to validate on.",
        "class_weight": '`{class: weight}`, an array `[classes]` or "balanced", which counts within each group; '
        "multiplies `sample_weight` of the rows trained on, not of those validated on.",
    },
)


@ACCEPTS.documented
@helpful
@non_finite_is_told
@spared
def fit_groups(
    key: Array,
    model: Model,
    x: Any,
    y: Any,
    groups: ArrayLike,
    *,
    min_rows: int = 2,
    pooled: bool = False,
    folder: str | os.PathLike[str] | None = None,
    progress: bool | Report = False,
    **options: Unpack[TrainingOptions],
) -> GroupsResult:
    """Train one model for each group of rows.

    A member visits its own stretch of the one table, or of a list of its rows where groups lie scattered in it: the
    table is never sorted. A group's model depends on its label, its rows and `key` alone, not on which other groups
    there are.

    Args:
      key: a JAX random key.
      model, x, y: as for `jaxbm.fit`.
      groups: `[n]`, each row's group: integers or strings.
      min_rows: groups with fewer rows, or too few for `validation_split`, get no model of their own.
      pooled: train one more model, of all rows, for those and for groups never seen.
      **options: every option of a run, the same for all groups, one by one in `jaxbm.run.options.TrainingOptions`,
        and in `help(jaxbm.fit_groups)`.
      folder: where the models' state is kept while they are trained, as for `fit_members`; the same call with the
        same folder goes on from there, after a kill too.
      progress: as for `jaxbm.fit_members`.

    Returns:
      A `GroupsResult` with `.predict(x, groups)`, `.member(group)`, `.table()`, `.too_small`.

    Raises:
      ValueError, TypeError: as for `fit_members`; or `groups` has missing values or another shape.
      MembersInterrupted: Ctrl-C, as for `fit_members`; `.result` is a `GroupsResult` of the groups trained so far.

    Example:
      >>> import jax, jaxbm, numpy as np
      >>> x = np.random.default_rng(0).normal(size=(60, 2)).astype("float32")
      >>> shop = np.repeat(["a", "b", "c"], [40, 19, 1])
      >>> sales = np.where(shop == "a", x[:, 0], -x[:, 0])
      >>> result = jaxbm.fit_groups(
      ...     jax.random.key(0), jaxbm.MLP((2, 8, 1)), x, sales, shop, loss="squared_error", epochs=30, pooled=True)
      >>> result.labels.tolist(), result.too_small.tolist(), result.predict(x, shop).shape
      (['a', 'b'], ['c'], (60, 1))
    """
    training = ACCEPTS.training(options)
    min_rows, pooled = checks.integer("min_rows", min_rows), checks.flag("pooled", pooled)
    if pooled and training.privacy is not None and training.privacy.epsilon is not None:
        raise ValueError(
            "pooled: expected False with a target epsilon, which a group's model and the pooled one both spend; "
            "with a noise_multiplier the result's privacy tells what both do together"
        )
    counter.checked(key)
    # What is cut for the pooled model stays on the host until then: there nothing is compiled for it.
    x, y = features_and_labels(model, training.loss, x, y, None if pooled else on_device)
    way_to_validate(training)
    layout = Layout.of(arrays.given("groups", groups), row_trees.count(x), min_rows, float(training.validation_split))
    folder = None if folder is None else check_folder(folder, ("pooled", "part-"), "a run of groups")
    whole, parts = None, list[MembersResult]()
    try:
        if pooled:
            whole = _pooled(key, model, x, y, folder, training)
        if len(layout.labels):
            own = replace(training, validation_split=0.0)
            x, y = row_trees.each(on_device, x), row_trees.each(on_device, y)
            _train(key, model, x, y, layout, own, folder, progress, parts)
    except KeyboardInterrupt as stop:
        told = getattr(stop, "told", None)
        if isinstance(stop, MembersInterrupted):
            before = sum(part.members for part in parts)
            told = told and told._replace(members_done=before + told.members_done, members=len(layout.labels))
            parts.append(stop.result)
        raise MembersInterrupted(_grouped(model, layout, parts, whole), told) from None
    return _grouped(model, layout, parts, whole)


def _grouped(model: Model, layout: Layout, parts: list[MembersResult], whole: FitResult | None) -> GroupsResult:
    """The result of the members trained so far, in the order of the layout."""
    result = parts[0] if parts else None
    if len(parts) > 1:
        plain = [FitResult(*part)._replace(privacy=None) for part in parts]
        joined = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *plain)
        joined = joined._replace(privacy=reduce(_beside, (part.privacy for part in parts)))
        result = MembersResult.of(joined, parts[0].models)
    trained = slice(0 if result is None else result.members)
    labels, counts = layout.labels[trained], layout.counts[trained]
    return GroupsResult(model, labels, counts, result, layout.too_small, layout.too_small_counts, whole)


def _beside(a: PrivacySpent | None, b: PrivacySpent | None) -> PrivacySpent | None:
    """Of groups, which share no row."""
    return a if a is None or b is None else a.beside(b)


def _pooled(key: Array, model: Model, x: Any, y: Any, folder: pathlib.Path | None, training: Training) -> FitResult:
    """The model of all rows."""
    try:
        return fit_single(key, model, x, y, folder=None if folder is None else folder / "pooled", **vars(training))
    except MembersInterrupted:
        raise KeyboardInterrupt from None  # no group is trained yet


def _train(
    key: Array,
    model: Model,
    x: Any,
    y: Any,
    layout: Layout,
    training: Training,
    folder: pathlib.Path | None,
    progress: bool | Report,
    done: list[MembersResult],
) -> None:
    """Train all members in one or several parts, each appended to `done` when it is through."""
    keys = folded_keys(key, layout.words)

    def prepared(members: slice) -> Setup:
        rows, held_out = layout.rows(members)
        theirs = keys if members == slice(None) else keys[members]
        try:
            return prepare(theirs, model, x, y, replace(training, rows=rows, validation_rows=held_out))
        except NoRowCounts as error:
            raise ValueError(error.told(f"group {layout.labels[members][error.member]!s}")) from None

    def train(setup: Setup) -> None:
        done.append(trained(setup, training, None if folder is None else folder / f"part-{len(done)}", progress))

    has_schedule = callable(getattr(training.optimizer, "learning_rate", None))
    if not has_schedule and training.privacy is None:
        setup = prepared(slice(None))
        if setup.name in ("cpu", "program"):
            train(setup)
            return
    # XLA takes every member through the steps of the largest, and a schedule is a table as long as the largest
    # member's run: so groups of about the same size go together.
    sizes = np.ceil(np.log2(layout.counts))
    edges = [0, *(np.flatnonzero(np.diff(sizes)) + 1), len(sizes)]
    for a, b in pairwise(edges):
        train(prepared(slice(a, b)))


def _by_member(model: Model, params: Any, x: Any, member: np.ndarray) -> np.ndarray:
    """Logits of rows by the members that `member` `[n]` names, computed in calls of about equally large members."""
    order = np.argsort(member, kind="stable")
    n = row_trees.count(x)
    out = np.empty((n, model.n_outputs), np.float32)
    table = row_trees.filled(row_trees.take(x, order), 1 << max(9, (n - 1).bit_length()))
    table = jax.tree.map(jnp.asarray, table)
    members, start, count = np.unique(member[order], return_index=True, return_counts=True)
    size = 1 << np.ceil(np.log2(count)).astype(int)
    for most in np.unique(size):
        these = np.flatnonzero(size == most)
        more = (1 << (len(these) - 1).bit_length()) - len(these)  # few shapes to compile
        padded = np.concatenate([these, np.repeat(these[:1], more)])
        own = jax.tree.map(lambda leaf, p=padded: leaf[members[p]], params)
        at, rows = (jnp.asarray(a[padded], jnp.int32) for a in (start, count))
        logits = np.asarray(stacked_logits(model, own, table, at, rows, int(most)))
        which = np.repeat(np.arange(len(these)), count[these])
        within = np.arange(len(which)) - np.repeat(np.cumsum(count[these]) - count[these], count[these])
        out[order[start[these][which] + within]] = logits[which, within]
    return out
