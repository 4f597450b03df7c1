"""What a model's function does that training can't know of: mix rows of a batch, or draw random numbers.

Batch normalization in training, whose averages nobody updates, is the first; dropout whose key is always the same is
the second. Both train without a word, and mean something else than their user thinks.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxbm.core.checks import is_hashable
from jaxbm.core.settings import callers_level
from jaxbm.models.functions import FunctionModel
from jaxbm.models.protocol import Model, shapes_of

ROWS = 13
"""How many rows a model is looked at with: a number that few models have for a width."""
_ELEMENTWISE = {
    "abs", "add", "add_any", "and", "atan2", "ceil", "clamp", "convert_element_type", "copy", "copy_p", "cos",
    "cosh", "div", "eq", "erf", "erf_inv", "erfc", "exp", "exp2", "expm1", "floor", "ge", "gt", "integer_pow",
    "is_finite", "le", "log", "log1p", "logistic", "lt", "max", "min", "mul", "ne", "neg", "nextafter", "not", "or",
    "pow", "pvary", "real", "reduce_precision", "rem", "round", "rsqrt", "select_n", "sign", "sin", "sinh", "sqrt",
    "square", "sub", "tan", "tanh", "xor",
}  # fmt: skip
_ACROSS = frozenset(["cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp", "sort", "rev"])
_DRAWS = frozenset(("random_bits", "threefry2x32", "rng_bit_generator", "rng_uniform"))
_INSIDE = ("jaxpr", "call_jaxpr", "fun_jaxpr")

MIXED, UNKNOWN = "mixed", "unknown"
Axis = int | str | None
"""Along which axis an array's elements belong to one row each; None where none depends on a row."""


class Habits(NamedTuple):
    """What a function of rows does besides."""

    mixes: bool
    """an output depends on several rows, for certain"""
    draws: bool
    """random numbers are drawn, which come from a constant"""


def warn(model: Model, x: Any) -> None:
    """One warning for a model of one's own of which outputs depend on other rows, or on random numbers.

    Args:
      model: what is trained.
      x: its features, or shapes and dtypes of them.
    """
    is_ours = type(model).__module__.partition(".")[0] == "jaxbm" and not isinstance(model, FunctionModel)
    if is_ours or not is_hashable(model):
        return
    leaves, form = jax.tree.flatten(x)
    _once(model, form, tuple((leaf.shape[1:], _kept(leaf)) for leaf in leaves))


def _kept(leaf: Any) -> Any:
    """The dtype that JAX gives an array of the host, where wide types are off."""
    return jax.dtypes.canonicalize_dtype(leaf.dtype) if isinstance(leaf, np.ndarray) else leaf.dtype


def _warned(model: Model, form: Any, rows: tuple[tuple[tuple[int, ...], Any], ...]) -> None:
    try:
        found = habits(model, form.unflatten([jax.ShapeDtypeStruct((ROWS, *shape), dtype) for shape, dtype in rows]))
    except Exception:  # whatever it is: training says it where it belongs
        return
    told = None
    if found.mixes:
        told = (
            "model: expected outputs that depend on one row each, got some that depend on other rows of the batch "
            "too, as of batch normalization in training, whose averages nobody updates here: which rows are together "
            "decides what validation, evaluate and predict give. Keep the averages constant, or normalize each row"
        )
    elif found.draws:
        told = (
            "model: expected a function of parameters and x, got one that draws random numbers, as dropout does in "
            "training: without a key of its own they are the same in every step and in predict. Switch it off; "
            "jaxbm.MLP has dropout"
        )
    if told is not None:
        warnings.warn(told, UserWarning, stacklevel=callers_level())


# Once for each, and no call traces it again.
_once: Callable[..., None] = lru_cache(maxsize=256)(_warned)


def habits(model: Model, rows: Any) -> Habits:
    """What `model.apply` does with features of these shapes and dtypes, several rows of them.

    Example:
      >>> import jax, jaxbm
      >>> from jaxbm.models.habits import habits
      >>> centred = jaxbm.FunctionModel(lambda key: {"w": 1.0}, lambda p, x: p["w"] * (x - x.mean(0)), (1,), 1)
      >>> rows = jax.ShapeDtypeStruct((13, 1), "float32")
      >>> habits(centred, rows)
      Habits(mixes=True, draws=False)
      >>> habits(jaxbm.MLP((1, 4, 1)), rows)
      Habits(mixes=False, draws=False)
    """
    params = shapes_of(model)
    closed = jax.make_jaxpr(model.apply)(params, rows)
    n = len(jax.tree.leaves(params))
    given: list[Axis] = [None if k < n else 0 for k in range(len(closed.jaxpr.invars))]
    return Habits(MIXED in _axes_of(closed.jaxpr, given), _draws(closed.jaxpr))


def _draws(jaxpr: Any) -> bool:
    return any(
        eqn.primitive.name in _DRAWS or any(map(_draws, filter(None, map(_inside, eqn.params.values()))))
        for eqn in jaxpr.eqns
    )


def _inside(value: Any) -> Any:
    """The open jaxpr that a parameter of an equation holds; None for others."""
    value = getattr(value, "jaxpr", value)
    return value if hasattr(value, "eqns") else None


def _axes_of(jaxpr: Any, given: Sequence[Axis]) -> list[Axis]:
    """The axes of a jaxpr's results, from those of its arguments."""
    known: dict[Any, Axis] = dict(zip(jaxpr.invars, given, strict=True))

    def axis(v: Any) -> Axis:
        return None if hasattr(v, "val") else known.get(v)  # literals and constants belong to no row

    for eqn in jaxpr.eqns:
        found = _result(eqn, [axis(v) for v in eqn.invars])
        known.update(zip(eqn.outvars, found, strict=True))
    return [axis(v) for v in jaxpr.outvars]


def _result(eqn: Any, axes: list[Axis]) -> list[Axis]:
    """The axes of an equation's results."""
    one: Axis
    if all(axis is None for axis in axes):
        one = None
    elif MIXED in axes:
        one = MIXED
    elif UNKNOWN in axes:
        one = UNKNOWN
    else:
        inner = next((eqn.params[name] for name in _INSIDE if name in eqn.params), None)
        if inner is not None and eqn.primitive.name not in ("scan", "while"):
            body = _inside(inner)
            if body is not None and len(body.invars) == len(axes):
                return _axes_of(body, axes)
        one = _through(eqn, axes)
    return [one] * len(eqn.outvars)


def _through(eqn: Any, axes: list[Axis]) -> Axis:
    name, shape = eqn.primitive.name, eqn.outvars[0].aval.shape
    first = next(k for k, axis in enumerate(axes) if axis is not None)
    axis: Any = axes[first]
    operand = eqn.invars[first].aval.shape
    if name == "stop_gradient" or name in _ELEMENTWISE:
        return axis if len({a for a in axes if a is not None}) == 1 else UNKNOWN
    if name == "dot_general":
        return _of_product(eqn, axes)
    if name == "broadcast_in_dim":
        return int(eqn.params["broadcast_dimensions"][axis])
    if name == "transpose":
        return int(eqn.params["permutation"].index(axis))
    if name == "squeeze":
        return axis - sum(d < axis for d in eqn.params["dimensions"])
    if name == "reshape":
        before = math.prod(operand[:axis])
        same = [d for d in range(len(shape)) if math.prod(shape[:d]) == before and shape[d] == operand[axis]]
        return same[-1] if same else UNKNOWN
    if name in _ACROSS:
        own = eqn.params.get("axis", eqn.params.get("dimension", eqn.params.get("dimensions")))
        return MIXED if own in (axis, (axis,)) else axis
    if name.startswith(("reduce_", "arg", "psum", "pmax", "pmin")) and "axes" in eqn.params:  # p... within a vmap
        over = eqn.params["axes"]
        return MIXED if axis in over else axis - sum(d < axis for d in over)
    if name in ("concatenate", "pad", "slice", "iota") and shape[axis : axis + 1] == operand[axis : axis + 1]:
        return axis if len({a for a in axes if a is not None}) == 1 else UNKNOWN
    return UNKNOWN


def _of_product(eqn: Any, axes: list[Axis]) -> Axis:
    contracted, batch = eqn.params["dimension_numbers"]
    places: list[int] = []
    for side, axis in enumerate(axes):
        if not isinstance(axis, int):
            continue
        if axis in contracted[side]:
            return MIXED
        if axis in batch[side]:
            places.append(batch[side].index(axis))
            continue
        kept = [d for d in range(len(eqn.invars[side].aval.shape)) if d not in (*contracted[side], *batch[side])]
        lhs = len(eqn.invars[0].aval.shape) - len(contracted[0]) if side else len(batch[0])
        places.append(lhs + kept.index(axis))
    return places[0] if len(set(places)) == 1 else MIXED
