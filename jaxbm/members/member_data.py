"""Rows of many members: the checked arrays of `Data`, and which of them are each member's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxbm.core import arrays, checks
from jaxbm.core import rows as row_trees
from jaxbm.core.device import placed
from jaxbm.core.labels import as_rows, class_codes
from jaxbm.core.weights import scaled
from jaxbm.losses import columns_of, kind_of
from jaxbm.members.row_lists import MemberRows, cut_off, member_rows
from jaxbm.members.weight_checks import check_each_counts
from jaxbm.models.protocol import Model, check_features, is_shape, rows_text
from jaxbm.run import row_checks
from jaxbm.run.contract import Data
from jaxbm.run.inputs import (
    balanced,
    class_table,
    class_weights,
    n_classes,
    scale_of,
    training_data,
    way_to_validate,
)
from jaxbm.run.training import Training

Most = tuple[int | None, int | None]


def member_data(training: Training, model: Model, x: Any, y: Any, members: int) -> tuple[Data, Data, Most]:
    """`(data, is_own, bounds on the members' counts of rows)`; `x` and `y` as for `fit_members`."""
    way = way_to_validate(training)
    split = float(training.validation_split)
    given = _Table(training, model, x, y, members)
    listed, held_out = (
        None if (rows := getattr(training, name)) is None else member_rows(name, rows, given.n, members)
        for name in ("rows", "validation_rows")
    )
    by_list = listed is not None or given.any_own
    if by_list and split:
        listed, held_out = cut_off(listed or MemberRows(jnp.arange(given.n, dtype=jnp.int32)), split)
    if training.class_weight is not None:
        given.weigh(training.class_weight, listed, slice(None if by_list else int(given.n * (1 - split))))
    data = given.checked(split_here=way == "validation_split" and not by_list)
    if not any(jax.tree.leaves(given.y_is_own)):
        row_checks.teaches(training.loss, data.y)
    data, own = given.with_own(data)
    if held_out is not None:
        data = data._replace(x_val=data.x, y_val=data.y)
        own = own._replace(x_val=own.x, y_val=own.y)
    if data.x_val is not None and training.validation_data is None:  # weights of classes are for training alone
        plain = given.plain_weight(data.weight) if held_out is not None else given.plain_weight(data.weight_val)
        is_own = False if plain is not None and not given.weight_is_own else own.weight
        data, own = data._replace(weight_val=plain), own._replace(weight_val=None if plain is None else is_own)
    data, own = _with_rows(data, own, listed, "")
    data, own = _with_rows(data, own, held_out, "_val")
    if listed is not None or held_out is not None or given.weight_is_own or given.class_weight is not None:
        check_each_counts(data, given.plain, members)
    own = jax.tree.map(lambda leaf, mine: bool(mine), data, own)
    return data, own, (listed.most if listed else None, held_out.most if held_out else None)


class _Table:
    """Features, labels and weights, each shared or with an axis of members; in a pytree each array by itself."""

    def __init__(self, training: Training, model: Model, x: Any, y: Any, members: int):
        self.training, self.model, self.loss, self.members = training, model, training.loss, members
        weight = training.sample_weight
        self.x, self.y = (row_trees.mapped(_shaped, name, tree) for name, tree in (("x", x), ("y", y)))
        self.weight = None if weight is None else _shaped("sample_weight", weight)
        self.plain = self.weight  # without the weights of classes
        self.class_weight: Array | None = None
        self.x_is_own = self._own_features()
        own_x = any(jax.tree.leaves(self.x_is_own))
        if not jax.tree.leaves(self.x):
            check_features("x", self.x, model)
            raise ValueError("x: expected at least one row, got none")
        first, its_own = jax.tree.leaves(self.x)[0], jax.tree.leaves(self.x_is_own)[0]
        self.n = first.shape[1 if its_own else 0] if first.ndim else 0
        if row_trees.is_tree(self.y):
            self.y_is_own = jax.tree.map(partial(self._is_own_label, own_x), self.y)
        else:
            self.y = self._one_label_a_row(self.y, own_x)
            self.y_is_own = self._is_own(self.y) and self._is_not_shared(self.y, own_x)
        self.weight_is_own = self.weight is not None and self.weight.shape == (members, self.n)

    def _own_features(self) -> Any:
        """Which features have a leading axis of members: those with one axis more than the model takes."""
        shape = self.model.input_shape
        if shape is None or (is_shape(shape) and row_trees.is_tree(self.x)):
            return jax.tree.map(lambda _: False, self.x)
        form: Any = jax.tree.structure(shape, is_leaf=is_shape)
        if form != jax.tree.structure(self.x):
            return jax.tree.map(lambda _: False, self.x)  # refused where rows are checked
        own = jax.tree.map(lambda one, leaf: leaf.ndim == len(one) + 2, shape, self.x, is_leaf=is_shape)
        for (path, leaf), mine in zip(row_trees.named("x", self.x), jax.tree.leaves(own), strict=True):
            if mine and leaf.shape[0] != self.members:
                text = rows_text(self.model)
                either = f"{text} or [{self.members}, {text[1:]}" if is_shape(shape) else f"[{self.members}, n, ...]"
                raise ValueError(f"{path}: expected shape {either}, got {list(leaf.shape)}")
        return own

    def _is_own(self, y: Any) -> bool:
        return tuple(y.shape[:2]) == (self.members, self.n)

    def _is_own_label(self, own_x: bool, y: Any) -> bool:
        # Where there are as many members as rows, an array with the rows first is shared.
        return self._is_own(y) and (own_x or self.members != self.n)

    def _one_label_a_row(self, y: Any, own_x: bool) -> Any:
        """Labels without an axis of one column, see `jaxbm.core.labels`."""
        columns = columns_of(self.loss, self.model.n_outputs)
        if y.ndim == 2 and not own_x and len(y) == self.n:
            return as_rows(y, columns)
        return y[..., 0] if self._is_own(y) and y.ndim == 3 and y.shape[-1] == 1 and columns == 1 else y

    def _is_not_shared(self, y: Any, own_x: bool) -> bool:
        if y.ndim == 2:
            return own_x or y.shape != (self.n, columns_of(self.loss, self.model.n_outputs))
        return y.ndim == 3 or self._is_own_label(own_x, y)

    def plain_weight(self, like: Any) -> Any:
        """The given weights of the last rows, as many as `like` has, without those of classes; None where there are
        none."""
        if self.plain is None or like is None:
            return None
        return scaled(self.plain)[..., self.n - like.shape[-1] :]

    @property
    def any_own(self) -> bool:
        return any(jax.tree.leaves((self.x_is_own, self.y_is_own, self.weight_is_own)))

    def weigh(self, class_weight: Any, listed: MemberRows | None, part: slice) -> None:
        """Weights of classes: multiplied into the rows' weights where all members share them. Otherwise `[classes]`
        or `[M, classes]`, looked up by label as rows are visited, instead of a weight for each member's every row.

        What "balanced" counts are the rows trained on: those listed, or else that part of all."""
        of_name = isinstance(class_weight, str)
        lists = _lists(listed) if of_name and listed is not None else None
        if row_trees.is_tree(self.y) or not (self.any_own or lists):
            index: Any = listed.rows if listed is not None and of_name else part
            picked = class_weights(class_weight, self.y, self.model, self.loss, index)
            self.weight = picked if self.weight is None else scale_of(self.training)(self.weight) * picked
            return
        classes = n_classes(self.model, self.loss)
        for labels in self.y if self.y_is_own else (self.y,):
            class_codes(labels, kind_of(self.loss), classes)
        if not of_name:
            self.class_weight = class_table(class_weight, classes, kind_of(self.loss))
            return
        counts = self._counts([listed.rows if listed else None] * self.members if lists is None else lists)
        self.class_weight = balanced(class_weight, counts.sum(axis=-1), counts)

    def _counts(self, lists: Sequence[Any]) -> Any:
        """`[M, classes]`: how many of the rows that a member visits are of each class."""
        classes, known = n_classes(self.model, self.loss), dict[tuple[int, int], Any]()
        xp: Any = jnp if checks.is_traced(self.y, lists) else np  # on the host, lists of any length compile nothing
        labels = xp.asarray(self.y).astype(xp.int32)
        for k, index in enumerate(lists):
            if (k * self.y_is_own, id(index)) not in known:
                own = labels[k] if self.y_is_own else labels
                visited = own if index is None else own[xp.asarray(index)]
                counted = xp.clip(visited, 0, classes - 1)
                bins = xp.bincount(counted, **{"length" if xp is jnp else "minlength": classes})
                known[k * self.y_is_own, id(index)] = bins
        return xp.stack([known[k * self.y_is_own, id(index)] for k, index in enumerate(lists)])

    def checked(self, split_here: bool) -> Data:
        """`Data` of member 0 alone, as `fit` checks it; with lists of rows, those are cut, not the table."""
        x, y = (
            jax.tree.map(lambda leaf, mine: leaf[0] if mine else leaf, tree, own)
            for tree, own in ((self.x, self.x_is_own), (self.y, self.y_is_own))
        )
        weight = self.weight[0] if self.weight_is_own and self.weight is not None else self.weight
        elsewhere = dict.fromkeys(("rows", "validation_rows", "class_weight"))
        split = self.training.validation_split if split_here else 0.0
        alone = replace(self.training, sample_weight=weight, validation_split=split, **elsewhere)
        unweighed = None
        if self.training.class_weight is not None and not self.weight_is_own:
            unweighed = np.ones(self.n, bool) if self.plain is None else self.plain
        return training_data(alone, self.model, x, y, unweighed)

    def with_own(self, data: Data) -> tuple[Data, Any]:
        """Every member's arrays instead of member 0's, and `is_own` for them."""
        own: Any = Data(*(jax.tree.map(lambda _: False, value) for value in data))
        for name, given, mine in (("x", self.x, self.x_is_own), ("y", self.y, self.y_is_own)):
            paths = jax.tree.unflatten(jax.tree.structure(given), [path for path, _ in row_trees.named(name, given)])
            whole = jax.tree.map(self._of_all, mine, paths, given, getattr(data, name))
            data, own = data._replace(**{name: whole}), own._replace(**{name: mine})
        if self.weight_is_own:
            weight = scale_of(self.training)(self.weight)
            checks.finite("sample_weight", weight)
            checks.in_range("sample_weight", weight, 0, float("inf"))
            data, own = data._replace(weight=weight), own._replace(weight=True)
        if self.class_weight is not None:
            data = data._replace(class_weight=self.class_weight)
            own = own._replace(class_weight=self.class_weight.ndim == 2)
        return data, own

    def _of_all(self, is_own: bool, path: str, given: Any, one: Any) -> Any:
        """All members' rows in the dtype of `one`, the first's as they were checked, and checked themselves."""
        if not is_own:
            return one
        if not isinstance(given, jax.Array) and jnp.issubdtype(one.dtype, jnp.integer):
            arrays.check_width(path, given)
        rows = placed(given, one.dtype)
        if rows.shape[1:] != one.shape:
            raise ValueError(f"{path}: expected shape [{self.members}, {self.n}, ...], got {list(given.shape)}")
        checks.finite(path, rows)
        if path == "y":
            row_checks.labels_for(self.loss, rows.reshape(-1, *rows.shape[2:]), self.model)
        return rows


def _shaped(name: str, value: Any) -> Any:
    """An array: on the host, unless it is on the device or traced."""
    if isinstance(value, jax.Array):
        return value
    return jnp.asarray(value) if checks.is_traced(value) else arrays.host_real(name, value)


def _lists(listed: MemberRows) -> list[Any] | None:
    """Each member's rows, the same object where they are the same; None where all members share one list."""
    if listed.start is not None and listed.count is not None:
        table = None if listed.rows is None else np.asarray(listed.rows)
        ranges = list(zip(listed.start.tolist(), listed.count.tolist(), strict=True))
        made = {(a, n): np.arange(a, a + n) if table is None else table[a : a + n] for a, n in set(ranges)}
        return [made[pair] for pair in ranges]
    return [*listed.rows] if listed.rows is not None and listed.rows.ndim == 2 else None


def _with_rows(data: Data, own: Any, listed: MemberRows | None, suffix: str) -> tuple[Data, Any]:
    if listed is None:
        return data, own
    names = (f"rows{suffix}", f"start{suffix}", f"count{suffix}")
    values: tuple[Any, ...] = (listed.rows, listed.start, listed.count)
    mine = (listed.rows is not None and listed.rows.ndim == 2, True, True)
    return data._replace(**dict(zip(names, values, strict=True))), own._replace(
        **{name: None if v is None else m for name, v, m in zip(names, values, mine, strict=True)}
    )
