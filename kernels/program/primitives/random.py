"""Random keys and bits, of JAX's generators and any other written with JAX: the same bits as `jax.random` gives."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax

from jaxbm.kernels.program.ir import NotNative, Value
from jaxbm.kernels.program.primitives.shapes import reshaped
from jaxbm.kernels.program.registry import rule
from jaxbm.kernels.program.trace import Tracer, shape_of


def _batched(function: Callable[..., Any], levels: int) -> Callable[..., Any]:
    for _ in range(levels):
        function = jax.vmap(function)
    return function


def _implementation(aval: Any) -> Any:
    return aval.dtype._impl


@rule("random_bits", kind="random", params=("bit_width", "shape"))
def random_bits(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """Random bits for every key of an array."""
    aval, p = eqn.invars[0].aval, eqn.params
    draw = _implementation(aval).random_bits
    one = partial(_draw, draw, p["bit_width"], tuple(p["shape"]))
    return tracer.call(_batched(one, len(aval.shape)), inputs[0])


def _draw(draw: Callable[..., Any], width: int, shape: tuple[int, ...], key: Any) -> Any:
    return draw(key, width, shape)


@rule("random_split", kind="random", params=("shape",))
def random_split(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """New keys from every key of an array."""
    aval = eqn.invars[0].aval
    split, shape = _implementation(aval).split, tuple(eqn.params["shape"])
    return tracer.call(_batched(lambda key: split(key, shape), len(aval.shape)), inputs[0])


@rule("random_fold_in", kind="random")
def random_fold_in(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """Keys with numbers folded in."""
    implementation = _implementation(eqn.invars[0].aval)
    out = shape_of(eqn.outvars[0].aval)
    words = len(implementation.key_shape)
    lead = out[: len(out) - words]
    key = tracer.broadcast(_ranked(tracer, inputs[0], len(out), words), out)
    number = tracer.broadcast(_ranked(tracer, inputs[1], len(lead), 0), lead)
    number = tracer.convert(number, "uint32")
    return tracer.call(_batched(implementation.fold_in, len(lead)), key, number)


def _ranked(tracer: Tracer, x: Value, rank: int, words: int) -> Value:
    return reshaped(tracer, x, (1,) * (rank - len(x.shape)) + x.shape)


@rule("random_seed", kind="random", params=("impl",))
def random_seed(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """Keys from seeds."""
    seeds = eqn.invars[0].aval
    return tracer.call(_batched(eqn.params["impl"].seed, len(seeds.shape)), inputs[0])


@rule("random_wrap", "random_unwrap", kind="random", params=("impl",))
def random_wrap(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """Keys are arrays of their words already."""
    return inputs


@rule("random_clone", kind="random")
def random_clone(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """The same key."""
    return inputs


@rule("threefry2x32", kind="random")
def threefry2x32(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """JAX's default generator: two words of key and two of a counter to two words."""
    shape = shape_of(eqn.outvars[0].aval)
    words = [tracer.broadcast(v, shape) for v in inputs]
    return [tracer.add(f"threefry_{k}", words, shape, "uint32") for k in range(2)]


@rule("iota_2x32_shape", kind="random", params=("shape",))
def iota_2x32_shape(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """The row-major index of every element as two 32-bit words."""
    shape = tuple(int(n) for n in eqn.params["shape"])
    strides, size = [], 1
    for n in reversed(shape):
        strides.append(size)
        size *= n
    if size >= 2**31:
        raise NotNative("2**31 elements and more")
    low = tracer.add("affine", [], shape, "uint32", strides=tuple(reversed(strides)))
    return [tracer.full(0, shape, "uint32"), low]


@rule("random_gamma", kind="random", params=("log_space",), note="by JAX's own algorithm")
def random_gamma(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """Gamma variates."""
    primitive, implementation = eqn.primitive, _implementation(eqn.invars[0].aval)
    if getattr(primitive, "impl", None) is None:
        raise NotNative("its algorithm isn't where it is in the versions of JAX that are known here")

    def draw(words: Any, shape: Any) -> Any:
        return primitive.impl(jax.random.wrap_key_data(words, impl=implementation), shape, **eqn.params)

    return tracer.call(draw, *inputs)
