"""The multi-layer perceptron: a frozen description, and pure functions of its parameters."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike, DTypeLike

from jaxbm.core import counter
from jaxbm.core.arrays import real, sum_of_squares
from jaxbm.core.calls import answering, helpful
from jaxbm.core.checks import flag, float_name, is_several, told
from jaxbm.models import padding
from jaxbm.models.activations import Activation, activation, named, title
from jaxbm.models.dense import Dense, Params, affine, check_dropout, compute_dtype, drop, stream_of
from jaxbm.models.initializers import initializer
from jaxbm.models.protocol import Model, check_numbers, shape_of
from jaxbm.models.registry import register


@register
@answering("model")
@helpful
@dataclass(frozen=True)
class MLP(Model):
    """An MLP's architecture: hashable, without parameters, safe to pass as a static argument.

    A layer computes `act(x @ weight + bias)`. Weights are drawn by `weight_init`; biases start at zero.

    Args:
      sizes: widths from input to output, such as `(20, 64, 32, 1)`; at least two, all positive.
      activation: name of the hidden layers' activation or any function `[..., units] -> [..., units]`, or one for
        each hidden layer.
      output_activation: the last layer's; "identity" leaves logits, which is what the losses expect.
      use_bias: False leaves the biases out.
      weight_init: name of the initialiser; Glorot (Xavier) uniform by default, as in Keras; "siren" for `sin`.
      param_dtype: dtype of the parameters.
      dtype: dtype to compute in, None for that of parameters and input. `MLP(..., dtype="bfloat16")` keeps
        float32 parameters and computes in bfloat16; the result comes back in `param_dtype`.

    Raises:
      ValueError: a width is not positive, there are fewer than two, or a name or dtype is unknown.
      TypeError: a width is not an integer.

    Example:
      >>> import jax, jaxbm
      >>> model = jaxbm.MLP((20, 64, 32, 1), activation="relu")
      >>> params = model.init(jax.random.key(0))
      >>> model.apply(params, jax.numpy.ones((5, 20))).shape
      (5, 1)

    Source: Goodfellow, Bengio and Courville, "Deep Learning" (2016), chapter 6.
    """

    sizes: tuple[int, ...]
    activation: str | Activation | tuple[str | Activation, ...] = "relu"
    output_activation: str | Activation = "identity"
    use_bias: bool = True
    weight_init: str = "glorot_uniform"
    param_dtype: DTypeLike = "float32"
    dtype: DTypeLike | None = None
    float_features: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not is_several(self.sizes):
            raise TypeError(f"sizes: expected widths such as (20, 64, 1), got {told(self.sizes)}")
        sizes = tuple(self.sizes)
        for width in sizes:
            if isinstance(width, bool) or np.ndim(width) or not hasattr(width, "__index__"):
                raise TypeError(
                    f"sizes: expected integers, the widths from input to output such as (20, 64, 1), got "
                    f"{told(width)} in {told(self.sizes)}; what is between them are activation and output_activation"
                )
        if len(sizes) < 2 or min(sizes) < 1:
            raise ValueError(f"sizes: expected two or more positive widths, input to output, got {sizes}")
        object.__setattr__(self, "sizes", tuple(int(width) for width in sizes))
        object.__setattr__(self, "output_activation", named(self.output_activation))
        if not isinstance(self.activation, list | tuple):
            object.__setattr__(self, "activation", named(self.activation))
        else:
            object.__setattr__(self, "activation", tuple(map(named, self.activation)))
            if len(self.activation) != len(sizes) - 2:
                raise ValueError(
                    f"activation: expected one name, or one for each of the {len(sizes) - 2} hidden layers, "
                    f"got {len(self.activation)}: {self.activation}"
                )
        for given in self.activation if isinstance(self.activation, tuple) else (self.activation,):
            activation(given)
        activation(self.output_activation, "output_activation")
        initializer(self.weight_init)
        object.__setattr__(self, "use_bias", flag("use_bias", self.use_bias))
        object.__setattr__(self, "param_dtype", float_name("param_dtype", self.param_dtype))
        if self.dtype is not None:
            object.__setattr__(self, "dtype", float_name("dtype", self.dtype))

    @property
    def activations(self) -> tuple[str | Activation, ...]:
        """The hidden layers' activations, one for each: names, and functions that have none here."""
        if isinstance(self.activation, tuple):
            return self.activation
        return (self.activation,) * (len(self.sizes) - 2)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """`(in,)`."""
        return self.sizes[:1]

    @property
    def n_outputs(self) -> int:
        """`out`."""
        return self.sizes[-1]

    @property
    def title(self) -> str:
        """The widths."""
        return str(self.sizes)

    @property
    def n_params(self) -> int:
        """How many numbers the parameters hold."""
        pairs = zip(self.sizes[:-1], self.sizes[1:], strict=True)
        return sum(fan_in * fan_out + (fan_out if self.use_bias else 0) for fan_in, fan_out in pairs)

    def init(self, key: Array) -> Params:
        """Fresh parameters.

        Args:
          key: a JAX random key.

        Returns:
          One `Dense(weight [in, out], bias [out])` per layer, in `param_dtype`.

        Raises:
          TypeError: `key` is not a JAX key.
        """
        counter.checked(key)
        return _init(self, key)

    def param_shapes(self) -> Params:
        """What `init` gives, as shapes and dtypes; without a trace, which takes longer than many a run."""
        if type(self).init is not MLP.init:
            return super().param_shapes()
        sds: Any = jax.ShapeDtypeStruct
        dtype = self.param_dtype
        pairs = zip(self.sizes[:-1], self.sizes[1:], strict=True)
        return tuple(Dense(sds((i, o), dtype), sds((o,), dtype) if self.use_bias else None) for i, o in pairs)

    def apply(
        self,
        params: Params,
        x: ArrayLike,
        *,
        dropout: ArrayLike | None = None,
        key: Array | counter.Words | None = None,
        widths: ArrayLike | None = None,
    ) -> Array:
        """The network's output.

        Args:
          params: as `init` returns them.
          x: float `[..., in]`.
          dropout: probability in `[0, 1)` with which each hidden unit is set to zero, the rest scaled by
            `1 / (1 - dropout)`; None for prediction. May be traced.
          key: a JAX random key, needed with `dropout`.
          widths: int `[layers + 1]`, may be traced: hidden units from `widths[i]` on are held at zero, so a narrower
            network padded with zeros computes exactly what it computes alone.

        Returns:
          `[..., out]`: logits, unless `output_activation` says otherwise.

        Raises:
          ValueError: shapes do not fit the architecture, or `dropout` came without `key`.
        """
        x = real("x", x)
        self._check(params, x)
        check_dropout(dropout, key)
        if not jnp.issubdtype(x.dtype, jnp.floating):
            x = x.astype(self.param_dtype)
        dtype = compute_dtype(self.dtype, x, params[0].weight)
        h = x.astype(dtype)
        names = (*self.activations, self.output_activation)
        for i, (layer, name) in enumerate(zip(params, names, strict=True)):
            h = activation(name)(affine(layer, h))
            if widths is not None and i < len(params) - 1:
                unit = jnp.arange(h.shape[-1], dtype=jnp.int32)
                h = jnp.where(unit < jnp.asarray(widths, jnp.int32)[i + 1], h, jnp.zeros((), h.dtype))
            if dropout is not None and i < len(params) - 1:
                h = drop(h, dropout, counter.derive(stream_of(key), i))
        return h.astype(dtype if self.dtype is None else self.param_dtype)

    def summary(self) -> str:
        """A readable table of the layers, their shapes and parameter counts.

        Example:
          >>> import jaxbm
          >>> print(jaxbm.MLP((20, 64, 1)).summary())
          layer  shape     activation  parameters
          dense  20 -> 64  relu             1,344
          dense  64 -> 1   identity            65
          total                             1,409
        """
        rows = [("layer", "shape", "activation", "parameters")]
        names = (*self.activations, self.output_activation)
        for fan_in, fan_out, name in zip(self.sizes[:-1], self.sizes[1:], names, strict=True):
            count = fan_in * fan_out + (fan_out if self.use_bias else 0)
            rows.append(("dense", f"{fan_in} -> {fan_out}", title(name), f"{count:,}"))
        rows.append(("total", "", "", f"{self.n_params:,}"))
        widths = [max(len(row[c]) for row in rows) for c in range(4)]
        return "\n".join(
            f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:<{widths[2]}}  {d:>{widths[3]}}" for a, b, c, d in rows
        )

    def penalty(self, params: Params) -> Array:
        """The sum of squares of all weights, without the biases: what `l2` multiplies."""
        return sum_of_squares([layer.weight for layer in params])

    def check_params(self, params: Any) -> None:
        """ValueError where `params` are not what `init` gives: one weight, and a bias where the model has them, for
        each layer."""
        if not isinstance(params, list | tuple) or not all(_is_layer(layer) for layer in params):
            hint = "; it has them as .params" if hasattr(params, "params") else ""
            raise ValueError(
                f"params: expected a Dense for each layer of {self.sizes}, got a {type(params).__name__}{hint}"
            )
        check_numbers("params", params)
        got = [shape_of(layer[0]) for layer in params]
        want = list(zip(self.sizes[:-1], self.sizes[1:], strict=True))
        if got != want:
            raise ValueError(f"params: expected weights of shapes {want} for sizes {self.sizes}, got {got}")
        got_biases = [None if layer[1] is None else shape_of(layer[1]) for layer in params]
        biases = [(width,) if self.use_bias else None for width in self.sizes[1:]]
        if got_biases != biases:
            raise ValueError(
                f"params: expected biases of shapes {biases} with use_bias={self.use_bias}, got {got_biases}"
            )

    def _check(self, params: Any, x: Array) -> None:
        if x.ndim == 0 or x.shape[-1] != self.sizes[0]:
            raise ValueError(f"x: expected shape [..., {self.sizes[0]}], got {list(x.shape)}")
        self.check_params(params)

    # ---- many members of one program: they may differ in hidden widths ----

    @property
    def member_widths(self) -> tuple[int, ...]:
        """The widths from input to output."""
        return self.sizes

    @property
    def program(self) -> Any:
        """Everything but the hidden widths."""
        return replace(self, sizes=(self.sizes[0], *(1 for _ in self.sizes[1:-1]), self.sizes[-1]))

    def variant(self, **changes: Any) -> "MLP":
        """With other `hidden` widths (a tuple, or one number), `activation` or `weight_init`."""
        model = self
        if (hidden := changes.pop("hidden", None)) is not None:
            widths = (hidden,) if hasattr(hidden, "__index__") else tuple(hidden)
            model = replace(self, sizes=(self.sizes[0], *widths, self.sizes[-1]), activation=self._one_activation())
        if unknown := [name for name in changes if name not in ("activation", "weight_init")]:
            raise ValueError(f"space: an MLP has no {unknown[0]} to vary")
        return replace(model, **changes)

    def describe(self) -> dict[str, Any]:
        """JSON values that `restore` makes the model from.

        Raises:
          TypeError: an activation is a function without a name in `jaxbm.models.activations.ACTIVATIONS`.
        """
        for given in (*self.activations, self.output_activation):
            if not isinstance(given, str):
                raise TypeError(
                    f"activation: expected names in a model that is described or saved, got function {title(given)}"
                )
        return super().describe()

    def _one_activation(self) -> str | Activation:
        names = set(self.activation) if isinstance(self.activation, tuple) else {self.activation}
        if len(names) != 1:
            raise ValueError(
                f"space: 'hidden' needs a model with one activation for all hidden layers, got {self.activation}"
            )
        return names.pop()

    def padded(self, models: Sequence[Any]) -> "MLP":
        """The narrowest network that all of them fit into; ValueError if they differ in more than hidden widths."""
        return padding.padded_model(models)

    def pad(self, params: Params) -> Params:
        """A narrower network's parameters, filled up with zeros."""
        return padding.padded_params(self.sizes, params)

    def cut(self, tree: Any) -> Any:
        """A wider, padded network's parameters, wherever they are in `tree`, cut to these widths."""
        return padding.cut(self.sizes, tree)


@partial(jax.jit, static_argnums=0, inline=True)
def _init(model: MLP, key: Array) -> Params:
    stream, layers = counter.words(key), []
    for i, (fan_in, fan_out) in enumerate(zip(model.sizes[:-1], model.sizes[1:], strict=True)):
        bias = jnp.zeros(fan_out, model.param_dtype) if model.use_bias else None
        # Bits from the counter: JAX's default generator would take most of a small run's compilation.
        draw = initializer(model.weight_init, i, len(model.sizes) - 1)
        layer_key = counter.key(counter.derive(counter.derive(stream, counter.INIT), i))
        layers.append(Dense(draw(layer_key, (fan_in, fan_out), model.param_dtype), bias))
    return tuple(layers)


def _is_layer(value: Any) -> bool:
    return isinstance(value, tuple) and hasattr(value, "weight") and hasattr(value, "bias")
