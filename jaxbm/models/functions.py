"""A model from two functions: Flax, Equinox, Haiku, or plain JAX."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from jaxbm.core.calls import answering, helpful
from jaxbm.core.checks import float_name, positive_int, told
from jaxbm.models.protocol import Model, Params, is_shape

ELSEWHERE = (
    "what isn't trained (counters, keys, activations, running averages) stays in apply_function, "
    "see jaxbm.FunctionModel"
)
"""Where the state of other libraries' models goes."""


def is_array(value: Any) -> bool:
    """Whether it is an array, of whatever make, or traced as one."""
    return hasattr(value, "shape") and hasattr(value, "dtype")


LINEN = ("batch_stats", "cache", "intermediates", "perturbations")
"""Collections beside "params" of Flax Linen's modules."""
NOT_TRAINED = (
    ("flax.nnx", ("BatchStat", "Cache", "Intermediate", "Perturbation", "RngState")),
    ("equinox", ("State",)),
)
"""Classes of other libraries whose arrays are floating-point numbers, but no parameters."""


def _refuse_what_is_not_trained(params: Params) -> None:
    if isinstance(params, Mapping) and "params" in params:
        for name in LINEN:
            if name in params:
                raise TypeError(
                    f"init_function: expected parameters alone, got Flax's collection {name!r} beside 'params', "
                    f"which gradients would move; {ELSEWHERE}"
                )

    def is_state(node: Any) -> bool:
        return any(
            kind.__name__ in names and kind.__module__.startswith(module)
            for kind in type(node).__mro__
            for module, names in NOT_TRAINED
        )

    for path, node in jax.tree_util.tree_leaves_with_path(params, is_leaf=is_state):
        if is_state(node):
            place = jax.tree_util.keystr(path)
            raise TypeError(
                f"init_function: expected parameters alone, got a {type(node).__name__} at {place}; {ELSEWHERE}"
            )


@answering("model")
@helpful
@dataclass(frozen=True)
class FunctionModel(Model):
    """A model from two functions, so that what another library describes trains here.

    Make it once and keep it: its functions are compared by identity, so another one with new lambdas compiles anew.

    - Flax Linen: `FunctionModel(lambda key: net.init(key, jnp.zeros((1, 20))), net.apply, (20,), 1)`.
    - Flax NNX: `graph, _, rest = nnx.split(make(nnx.Rngs(0)), nnx.Param, ...)`, then
      `FunctionModel(lambda key: nnx.state(make(nnx.Rngs(key)), nnx.Param),`
      `lambda p, x: nnx.merge(graph, p, rest)(x), (20,), 1)`.
    - Equinox: `_, static = eqx.partition(make(key), eqx.is_inexact_array)`, then
      `FunctionModel(lambda key: eqx.filter(make(key), eqx.is_inexact_array),`
      `lambda p, x: jax.vmap(eqx.combine(p, static))(x), (20,), 1)`.

    The functions may not change anything: batch norm works with averages that are kept, dropout switched off.

    Args:
      init_function: a JAX random key -> parameters, a pytree of arrays.
      apply_function: parameters, features `[n, *input_shape]` -> logits `[n, n_outputs]`.
      input_shape: of one row of features; of a pytree of features a pytree of shapes, `{"words": (16,), "age": ()}`;
        or None, and features are whatever the function takes. Integers stay integers, as embeddings want them.
      n_outputs: of one row of logits.
      param_dtype: of the logits.

    Example:
      >>> import jax, jax.numpy as jnp, jaxbm
      >>> model = jaxbm.FunctionModel(
      ...     lambda key: {"w": jax.random.normal(key, (4, 1))}, lambda params, x: jnp.tanh(x) @ params["w"], (4,), 1)
      >>> x = jax.random.normal(jax.random.key(0), (100, 4))
      >>> many = jaxbm.fit_members(jax.random.key(1), model, x, x.sum(axis=1), members=3, loss="squared_error")
      >>> many.params["w"].shape
      (3, 4, 1)
    """

    init_function: Callable[[Array], Params]
    apply_function: Callable[[Params, Any], Array]
    input_shape: Any = field(hash=False)  # it may be a dictionary; equality looks at it
    n_outputs: int
    param_dtype: DTypeLike = "float32"

    def __post_init__(self) -> None:
        for name in ("init_function", "apply_function"):
            if not callable(getattr(self, name)):
                raise TypeError(f"{name}: expected a function, got {told(getattr(self, name))}")
        object.__setattr__(self, "n_outputs", positive_int("n_outputs", self.n_outputs))
        object.__setattr__(self, "param_dtype", float_name("param_dtype", self.param_dtype))
        shape = self.input_shape
        if isinstance(shape, int) or (isinstance(shape, list) and is_shape(tuple(shape))):
            object.__setattr__(self, "input_shape", (shape,) if isinstance(shape, int) else tuple(shape))
        parts = [] if shape is None else jax.tree.leaves(self.input_shape, is_leaf=is_shape)
        if not all(map(is_shape, parts)) or isinstance(shape, bool):
            raise TypeError(
                f"input_shape: expected a shape such as (20,), a pytree of such, or None, got {told(shape)}"
            )

    def init(self, key: Array) -> Params:
        """Fresh parameters; TypeError where they are not arrays of floating-point or complex numbers alone, or where
        some are another library's running averages, which gradients must not move."""
        params = self.init_function(key)
        _refuse_what_is_not_trained(params)
        for path, leaf in jax.tree_util.tree_leaves_with_path(params):
            if not isinstance(leaf, float | complex) and not (
                is_array(leaf) and jnp.issubdtype(leaf.dtype, jnp.inexact)
            ):
                came = f"an array of {leaf.dtype}" if is_array(leaf) else told(leaf)
                raise TypeError(
                    f"init_function: expected arrays of floating-point or complex numbers alone, got {came} at "
                    f"{jax.tree_util.keystr(path)}; {ELSEWHERE}"
                )
        return params

    def apply(self, params: Params, x: Any, **options: Any) -> Array:
        """The logits; ValueError for `dropout`, of which the function knows nothing; TypeError where the function
        returns something besides them."""
        if options:
            raise ValueError(
                f"{next(iter(options))}: expected None, since a FunctionModel takes parameters and x alone"
            )
        logits = self.apply_function(params, x)
        if not is_array(logits):
            raise TypeError(f"apply_function: expected an array of logits, got {told(logits)}; {ELSEWHERE}")
        return logits

    def describe(self) -> dict[str, Any]:
        """TypeError: functions can't be written to a folder."""
        raise TypeError(
            "model: expected one that can be described, got a FunctionModel, whose functions a file "
            "can't hold; save its params, or describe the network by a class under jaxbm.models.registry.register"
        )
