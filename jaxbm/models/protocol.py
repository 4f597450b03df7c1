"""What a model is: the names that training, members, studies and saved folders ask of it.

A model is a hashable description, without parameters: pure functions of a pytree of parameters. `jaxbm.MLP` and
`jaxbm.BatchEnsemble` are two; a class of one's own is a third, once it inherits from `Model` and says four things:
`input_shape`, `n_outputs`, `init` and `apply`. Everything else has a default that follows from these.

Features are one array, or a pytree of arrays with the same rows: then `input_shape` is a pytree of shapes of the same
form, or None where the model says nothing of what it takes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import DTypeLike

from jaxbm.core import rows as row_trees
from jaxbm.core.arrays import sum_of_squares
from jaxbm.core.checks import is_hashable, told
from jaxbm.core.words import counted

Params = Any
"""Parameters: a pytree of arrays, as the model's `init` returns them."""
ExampleLoss = Callable[[Array, Array], Array]


@runtime_checkable
class Model(Protocol):
    """A model, for `fit`, `fit_members`, `sweep`, `cross_validate`, `predict`, `save` and all others.

    Models are static arguments of compiled programs: they must be hashable, and equal ones share a program. A frozen
    dataclass is both; an object that compares by identity works, and compiles anew for each one made.

    Example:
      >>> import dataclasses, jax, jax.numpy as jnp, jaxbm
      >>> @dataclasses.dataclass(frozen=True)
      ... class Linear(jaxbm.Model):
      ...     inputs: int
      ...     n_outputs: int = 1
      ...
      ...     @property
      ...     def input_shape(self):
      ...         return (self.inputs,)
      ...
      ...     def init(self, key):
      ...         return {"weight": jnp.zeros((self.inputs, self.n_outputs))}
      ...
      ...     def apply(self, params, x):
      ...         return x @ params["weight"]
      >>> x = jax.random.normal(jax.random.key(0), (100, 3))
      >>> result = jaxbm.fit(jax.random.key(1), Linear(3), x, x[:, 0], loss="squared_error", epochs=50)
      >>> jaxbm.predict(Linear(3), result.params, x).shape
      (100, 1)
    """

    if TYPE_CHECKING:  # read-only for whoever uses a model

        @property
        def input_shape(self) -> Any:
            """Shape of one row of features: `(in,)` for `x` of shape `[n, in]`; of a pytree of features a pytree of
            shapes; or None."""

        @property
        def n_outputs(self) -> int:
            """How many numbers `apply` gives for a row."""

        @property
        def param_dtype(self) -> DTypeLike:
            """dtype of the parameters, and of what `predict` gives."""
            return "float32"

    else:  # no properties here: a dataclass would take them for its fields' defaults
        input_shape: Any
        n_outputs: int
        param_dtype: DTypeLike = "float32"

    float_features: ClassVar[bool] = False
    """Whether features that are integers or booleans become numbers of `param_dtype`; otherwise they stay what they
    are, as an embedding wants them."""

    def init(self, key: Array) -> Params:
        """Fresh parameters, from a JAX random key."""

    # Which options `apply` takes beside these two is each model's own affair: a training run hands over `dropout`
    # and `key` where dropout was asked for, and `widths` where members were padded.
    apply: Callable[..., Array]
    """`apply(params, x [..., *input_shape], *, dropout=None, key=None) -> [..., n_outputs]`. `key` is a JAX random
    key, or the two words of one: `jaxbm.core.counter.key(words)` makes a key of them."""

    @property
    def n_params(self) -> int:
        """How many numbers the parameters hold."""
        return _counted(self) if is_hashable(self) else _count(self)

    @property
    def title(self) -> str:
        """A few characters that name the model in messages."""
        return type(self).__name__

    def param_shapes(self) -> Params:
        """What `init` gives, as shapes and dtypes."""
        return jax.eval_shape(lambda: self.init(jax.random.key(0)))  # traced: nothing is placed on a device

    def example_losses(self, params: Params, x: Array, labels: Array, loss: ExampleLoss, **options: Any) -> Array:
        """`[n]`: what training descends, for each row."""
        return example_losses(loss, self.apply(params, x, **options), labels)

    def penalty(self, params: Params) -> Array:
        """What `l2` multiplies: the sum of squares of all weights, which are leaves with two or more axes."""
        return sum_of_squares([leaf for leaf in jax.tree.leaves(params) if leaf.ndim > 1])

    def check_params(self, params: Params) -> None:
        """ValueError where `params` are not of the structure and the shapes that `init` gives."""
        check_tree("params", params, shapes_of(self), self.title)

    def summary(self) -> str:
        """A readable account of the model."""
        lines = [f"{type(self).__name__}: {_features_text(self.input_shape, '[]')} -> {self.n_outputs}"]
        for path, leaf in jax.tree.leaves_with_path(shapes_of(self)):
            lines.append(f"  {path_name(path)}  {leaf.dtype}{list(leaf.shape)}")
        return "\n".join([*lines, f"  {counted(self.n_params, 'parameter')}"])

    def describe(self) -> dict[str, Any]:
        """JSON values that `restore` makes the model from; a dataclass's fields.

        Raises:
          TypeError: the model is no dataclass, and doesn't define `describe`.
        """
        if not is_dataclass(self):
            raise TypeError(
                f"model: expected a dataclass, or one that defines describe and restore, got {self.title}"
            )
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def restore(cls, description: dict[str, Any]) -> Self:
        """The model that `describe` told."""
        return cls(**{name: tuple(v) if isinstance(v, list) else v for name, v in description.items()})

    # ---- many members of one program ----

    @property
    def member_widths(self) -> tuple[int, ...] | None:
        """Sizes in which members of one program may differ; None where they may not."""
        return None

    @property
    def program(self) -> Any:
        """Hashable: models of which it is equal can be trained in one call."""
        return self

    def variant(self, **changes: Any) -> Self:
        """The model with other values of what a sweep may vary; the default knows none.

        Raises:
          ValueError: it does not have them.
        """
        if changes:
            raise ValueError(f"space: {self.title} has no {', '.join(changes)} to vary")
        return self

    def padded(self, models: Sequence[Model]) -> Model:
        """The model that all of `models`, of which this is the first, fit into.

        Raises:
          ValueError: there is none.
        """
        for k, model in enumerate(models):
            if model != self:
                raise ValueError(
                    f"model: expected one for all members, since {self.title} can't be padded, "
                    f"but member {k} has another than member 0"
                )
        return self

    def pad(self, params: Params) -> Params:
        """Parameters (with any leading axes) of a narrower model, filled up to this one's shapes."""
        return params

    def cut(self, tree: Any) -> Any:
        """The inverse of `pad`, for every set of parameters in `tree`."""
        return tree


def as_model(model: Any) -> Model:
    """`model`, if it is one.

    Raises:
      TypeError: it lacks something; says what.
    """
    must = ("input_shape", "n_outputs", "init", "apply")
    lacks = [
        name
        for name in must
        if not hasattr(model, name) or getattr(type(model), name, 0) is vars(Model).get(name, must)
    ]
    if not lacks and Model in type(model).__mro__:  # asked first: `isinstance` of a protocol reads every property
        return model
    if lacks:
        raise TypeError(
            f"model: expected one such as jaxbm.MLP, got {type(model).__name__}, which lacks {', '.join(lacks)}; "
            "jaxbm.FunctionModel takes models of other libraries"
        )
    if not isinstance(model, Model):
        raise TypeError(
            f"model: expected a subclass of jaxbm.Model, which has defaults for everything beside input_shape, "
            f"n_outputs, init and apply, got {type(model).__name__}"
        )
    return model


def _count(model: Model) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(shapes_of(model)))


# Every call of `fit` asks, and to trace `init` each time takes longer than a short run.
_counted: Callable[[Any], int] = lru_cache(maxsize=256)(_count)


def shapes_of(model: Model) -> Params:
    """Parameters as shapes and dtypes."""
    return _known_shapes(model) if is_hashable(model) else model.param_shapes()


# Several ask while a run begins.
_known_shapes: Callable[[Any], Params] = lru_cache(maxsize=256)(lambda model: model.param_shapes())


def path_name(path: Any) -> str:
    """The place of a leaf in a pytree, such as `0.weight`."""
    return jax.tree_util.keystr(path, simple=True, separator=".")


def check_tree(name: str, tree: Any, like: Any, owner: str) -> None:
    """ValueError naming the first leaf in which `tree` is of another structure or shape than `like`."""
    got, want = ({path_name(p): leaf for p, leaf in jax.tree.leaves_with_path(one)} for one in (tree, like))
    for place in want:
        if place not in got:
            raise ValueError(f"{name}: expected {place} of shape {list(want[place].shape)} for {owner}, got none")
        shape = shape_of(got[place])
        if shape != want[place].shape:
            raise ValueError(
                f"{name}: expected {place} of shape {list(want[place].shape)} for {owner}, got {list(shape)}"
            )
    if more := [place for place in got if place not in want]:
        raise ValueError(
            f"{name}: expected none called {more[0]} for {owner}, got shape {list(shape_of(got[more[0]]))}"
        )
    check_numbers(name, tree)
    mine: Any = jax.tree.structure(tree)
    if mine != jax.tree.structure(like):
        raise ValueError(f"{name}: expected a {type(like).__name__} as for {owner}, got a {type(tree).__name__}")


def shape_of(leaf: Any) -> tuple[int, ...]:
    """The shape of an array, of numbers that are like one, or of what stands for one."""
    return tuple(leaf.shape) if hasattr(leaf, "shape") else np.shape(leaf)


def check_numbers(name: str, tree: Any) -> None:
    """TypeError naming the first leaf that holds neither numbers nor random keys."""
    for path, leaf in jax.tree.leaves_with_path(tree):
        dtype = leaf.dtype if hasattr(leaf, "dtype") else np.asarray(leaf).dtype
        if not any(jnp.issubdtype(dtype, kind) for kind in (jnp.number, jnp.bool_, jax.dtypes.extended)):
            raise TypeError(f"{name}: expected numbers for {path_name(path) or 'it'}, got {told(leaf)}")


def is_shape(value: Any) -> bool:
    """Whether it is the shape of one array: a tuple of integers."""
    return isinstance(value, tuple) and all(hasattr(width, "__index__") and width >= 0 for width in value)


def rows_text(model: Model) -> str:
    """The shape of features that a model takes, `[n, in]`, for messages."""
    return _features_text(model.input_shape, "[n, ]")


def _features_text(shape: Any, brackets: str) -> str:
    start, end = brackets[:-1], brackets[-1]
    if shape is None:
        return "of any form"
    if is_shape(shape):
        return f"{start}{', '.join(map(str, shape))}{end}" if shape else f"{start.removesuffix(', ')}{end}"
    told = jax.tree.leaves_with_path(shape, is_leaf=is_shape)
    return "{" + ", ".join(f"{path_name(path)}: {_features_text(one, brackets)}" for path, one in told) + "}"


def check_features(name: str, x: Any, model: Model) -> None:
    """ValueError naming the array in which features `x` are of another form or shape than the model takes."""
    shape = model.input_shape
    if shape is None:
        if not row_trees.named(name, x):
            raise ValueError(f"{name}: expected at least one array, got none")
        return row_trees.same_count((name, x))
    if is_shape(shape):
        if row_trees.is_tree(x):
            raise ValueError(
                f"{name}: expected shape {rows_text(model)} for {model.title}, got a {type(x).__name__} of arrays"
            )
        if x.ndim == 0 or x.shape[1:] != shape:
            raise ValueError(f"{name}: expected shape {rows_text(model)} for {model.title}, got {list(x.shape)}")
        return None
    form: Any = jax.tree.structure(shape, is_leaf=is_shape)
    if not row_trees.is_tree(x) or jax.tree.structure(x) != form:
        raise ValueError(f"{name}: expected arrays {rows_text(model)} for {model.title}, got a {type(x).__name__}")
    for (path, leaf), one in zip(row_trees.named(name, x), jax.tree.leaves(shape, is_leaf=is_shape), strict=True):
        if leaf.ndim == 0 or leaf.shape[1:] != one:
            want = _features_text(one, "[n, ]")
            raise ValueError(f"{path}: expected shape {want} for {model.title}, got {list(leaf.shape)}")
    return row_trees.same_count((name, x))


def match_labels(logits: Array, labels: Any) -> Array:
    """One output `[n, 1]` becomes `[n]` where the labels are `[n]`; nothing else is ever reshaped."""
    is_column = logits.ndim == 2 and logits.shape[-1] == 1
    return logits[:, 0] if is_column and not row_trees.is_tree(labels) and jnp.ndim(labels) == 1 else logits


def example_losses(loss: ExampleLoss, logits: Array, labels: Any) -> Array:
    """`[n]`: the loss of each example, averaged over its outputs where the loss is one per output.

    Raises:
      ValueError, TypeError: what the loss gives is no array of floating-point numbers for each row.
    """
    values = loss(match_labels(logits, labels), labels)
    n = logits.shape[0]
    if not hasattr(values, "shape") or values.shape[:1] != (n,):
        got = f"shape {list(values.shape)}" if hasattr(values, "shape") else f"a {type(values).__name__}"
        raise ValueError(f"loss: expected a value for each row, [{n}] or [{n}, ...], got {got}")
    if not jnp.issubdtype(values.dtype, jnp.floating):
        raise TypeError(f"loss: expected floating-point values, got dtype {values.dtype}")
    return values.reshape(values.shape[0], -1).mean(axis=1) if values.ndim > 1 else values
