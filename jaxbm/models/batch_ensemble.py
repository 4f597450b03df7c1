"""A shared-trunk ensemble: one network's weights, and for each member cheap scalings of every layer."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxbm.core import counter
from jaxbm.core.arrays import real, sum_of_squares
from jaxbm.core.calls import answering, helpful
from jaxbm.core.checks import positive_int
from jaxbm.models.activations import activation
from jaxbm.models.dense import Dense, Params, check_dropout, compute_dtype, drop, stream_of
from jaxbm.models.mlp import MLP
from jaxbm.models.protocol import Model, example_losses
from jaxbm.models.registry import register


class ScaledDense(NamedTuple):
    """One layer that all members share, and each member's scalings of its inputs and outputs."""

    weight: Array
    """`[in, out]`, shared"""
    bias: Array | None
    """`[M, out]`"""
    scale_in: Array
    """`[M, in]`"""
    scale_out: Array
    """`[M, out]`"""


@register
@answering("model")
@helpful
@dataclass(frozen=True)
class BatchEnsemble(Model):
    """M members that share a trunk: an ensemble for little more than the parameters of one network.

    Member `k` of a layer computes `act(((h * r_k) @ W) * s_k + b_k)`: its weight is `W` times the rank-one matrix
    `r_k s_k^T`. Training descends the mean of the members' losses, each member seeing every row; `apply` gives the
    mean of their outputs. All scalings start at one but the first layer's `r`, which are random signs, as in TabM:
    that is what makes the members differ.

    Use it like an `MLP` in `fit`, `evaluate` and `predict`; it runs through XLA.

    Args:
      model: the shared network.
      members: how many.

    Raises:
      ValueError: `members` is less than 1.
      TypeError: it is not an integer.

    Example:
      >>> import jax, jaxbm
      >>> model = jaxbm.BatchEnsemble(jaxbm.MLP((20, 64, 32, 1)), members=32)
      >>> model.n_params, 32 * model.model.n_params
      (13280, 110624)
      >>> params = model.init(jax.random.key(0))
      >>> model.apply(params, jax.numpy.ones((5, 20))).shape
      (5, 1)
      >>> model.apply_members(params, jax.numpy.ones((5, 20))).shape
      (5, 32, 1)

    Source: Wen, Tran and Ba, "BatchEnsemble" (2020); Gorishniy, Kotelnikov and Babenko, "TabM" (2024).
    """

    model: MLP
    members: int = 32
    float_features: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if type(self.model) is not MLP:  # whose `apply` is repeated here
            raise TypeError(f"model: expected an MLP, got {type(self.model).__name__}")
        object.__setattr__(self, "members", positive_int("members", self.members))

    @property
    def sizes(self) -> tuple[int, ...]:
        """Widths from input to output."""
        return self.model.sizes

    @property
    def input_shape(self) -> tuple[int, ...]:
        """`(in,)`."""
        return self.model.input_shape

    @property
    def n_outputs(self) -> int:
        """`out`."""
        return self.model.n_outputs

    @property
    def title(self) -> str:
        """The shared network's widths."""
        return self.model.title

    @property
    def param_dtype(self) -> Any:
        """dtype of the parameters."""
        return self.model.param_dtype

    @property
    def n_params(self) -> int:
        """How many numbers the parameters hold."""
        shared = self.model.n_params - (sum(self.sizes[1:]) if self.model.use_bias else 0)
        per_member = sum(self.sizes[:-1]) + sum(self.sizes[1:]) * (2 if self.model.use_bias else 1)
        return shared + self.members * per_member

    def init(self, key: Array) -> tuple[ScaledDense, ...]:
        """Fresh parameters; TypeError if `key` is not a JAX key."""
        trunk, m = self.model.init(key), self.members
        stream = counter.derive(counter.words(key), 2**31)
        bits = counter.bits_2d(stream, jnp.arange(m), jnp.arange(self.sizes[0]))
        signs = jnp.where(bits >> 31 == 1, 1, -1).astype(self.param_dtype)
        layers = []
        for i, layer in enumerate(trunk):
            fan_in, fan_out = layer.weight.shape
            bias = None if layer.bias is None else jnp.zeros((m, fan_out), self.param_dtype)
            scale_in = signs if i == 0 and m > 1 else jnp.ones((m, fan_in), self.param_dtype)
            layers.append(ScaledDense(layer.weight, bias, scale_in, jnp.ones((m, fan_out), self.param_dtype)))
        return tuple(layers)

    def apply(self, params: tuple[ScaledDense, ...], x: ArrayLike, **options: Any) -> Array:
        """`[..., out]`: the mean of the members' outputs; `dropout` and `key` as for `MLP.apply`."""
        return self.apply_members(params, x, **options).mean(axis=-2)

    def apply_members(
        self,
        params: tuple[ScaledDense, ...],
        x: ArrayLike,
        *,
        dropout: ArrayLike | None = None,
        key: Any = None,
    ) -> Array:
        """`[..., M, out]`: every member's output.

        Raises:
          ValueError: `x` does not fit the architecture, or `dropout` came without `key`.
        """
        x = real("x", x)
        if x.ndim == 0 or x.shape[-1] != self.sizes[0]:
            raise ValueError(f"x: expected shape [..., {self.sizes[0]}], got {list(x.shape)}")
        check_dropout(dropout, key)
        if not jnp.issubdtype(x.dtype, jnp.floating):
            x = x.astype(self.param_dtype)
        h = x.astype(compute_dtype(self.model.dtype, x, params[0].weight))[..., None, :]
        names = (*self.model.activations, self.model.output_activation)
        for i, (layer, name) in enumerate(zip(params, names, strict=True)):
            scale_in, scale_out, bias = (_of_members(a, h) for a in (layer.scale_in, layer.scale_out, layer.bias))
            h = (h * scale_in) @ layer.weight.astype(h.dtype) * scale_out
            h = activation(name)(h if bias is None else h + bias)
            if dropout is not None and i < len(params) - 1:
                h = drop(h, dropout, counter.derive(stream_of(key), i))
        return h.astype(self.param_dtype) if self.model.dtype is not None else h

    def example_losses(
        self,
        params: tuple[ScaledDense, ...],
        x: Array,
        labels: Array,
        loss: Callable[[Array, Array], Array],
        **options: Any,
    ) -> Array:
        """`[n]`: the mean of the members' losses, which is what training descends."""
        logits = jnp.moveaxis(self.apply_members(params, x, **options), -2, 0)
        return jax.vmap(lambda one: example_losses(loss, one, labels))(logits).mean(axis=0)

    def penalty(self, params: tuple[ScaledDense, ...]) -> Array:
        """The sum of squares of the shared weights: what `l2` multiplies."""
        return sum_of_squares([layer.weight for layer in params])

    def member_params(self, params: tuple[ScaledDense, ...], k: int) -> Params:
        """Member `k` as the parameters of a plain `MLP`, `model`: `W * r_k s_k^T` and `b_k`."""
        return tuple(
            Dense(
                layer.weight * layer.scale_in[k][:, None] * layer.scale_out[k],
                None if layer.bias is None else layer.bias[k],
            )
            for layer in params
        )

    def describe(self) -> dict[str, Any]:
        """JSON values that `restore` makes the model from."""
        return {"model": self.model.describe(), "members": self.members}

    @classmethod
    def restore(cls, description: dict[str, Any]) -> "BatchEnsemble":
        """The model that `describe` told."""
        return cls(MLP.restore(description["model"]), description["members"])

    def variant(self, **changes: Any) -> "BatchEnsemble":
        """With a variant of the shared network, see `MLP.variant`."""
        return replace(self, model=self.model.variant(**changes))

    def summary(self) -> str:
        """The shared network's table, and what the members add.

        Example:
          >>> import jaxbm
          >>> print(jaxbm.BatchEnsemble(jaxbm.MLP((4, 8, 1)), members=16).summary().splitlines()[-1])
          16 members share the weights: 520 parameters, 784 as separate networks
        """
        separate = self.members * self.model.n_params
        return (
            f"{self.model.summary()}\n{self.members} members share the weights: {self.n_params:,} parameters, "
            f"{separate:,} as separate networks"
        )


def _of_members(values: Array | None, h: Array) -> Any:
    """`[M, k]` in the dtype and with as many axes as `h`, `[..., M, k]`: ranks may not be promoted."""
    return None if values is None else jnp.expand_dims(values.astype(h.dtype), tuple(range(h.ndim - 2)))
