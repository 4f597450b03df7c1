"""Primitives that work on each element alone."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxbm.kernels.program.ir import NotNative, Value
from jaxbm.kernels.program.registry import rule
from jaxbm.kernels.program.trace import Tracer, dtype_of, is_key, shape_of

ARITHMETIC = ("add", "sub", "mul", "div", "rem", "max", "min", "neg", "abs", "sign", "square")
COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")
BITS = (
    "not", "and", "or", "xor", "shift_left", "shift_right_logical", "shift_right_arithmetic", "population_count",
    "clz",
)  # fmt: skip
ROOTS = ("sqrt", "rsqrt", "cbrt", "pow")
HALF = ("float16", "bfloat16")
ROUNDING = ("floor", "ceil", "is_finite", "nextafter")
EXPONENTIAL = ("exp", "exp2", "expm1", "log", "log1p", "logistic", "tanh")
TRIGONOMETRIC = (
    "sin", "cos", "tan", "asin", "acos", "atan", "atan2", "sinh", "cosh", "asinh", "acosh", "atanh",
)  # fmt: skip
SPECIAL = ("erf", "erfc", "erf_inv", "lgamma")
TOTAL = ("eq_to", "le_to", "lt_to")


def operands(tracer: Tracer, eqn: Any, inputs: Sequence[Value]) -> list[Value]:
    """The operands in the shape of the result: JAX lets scalars and axes of length 1 stand for more."""
    shape = shape_of(eqn.outvars[0].aval)
    return [v if v.shape == shape else tracer.broadcast(v, shape) for v in inputs]


@rule(*ARITHMETIC, *ROOTS, *ROUNDING[:3], *EXPONENTIAL, kind="elementwise")
@rule(*COMPARISONS, *BITS, ROUNDING[3], kind="elementwise")
@rule(*TRIGONOMETRIC, *SPECIAL, *TOTAL, kind="elementwise")
def elementwise(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """The node of the same name."""
    out = eqn.outvars[0].aval
    if is_key(eqn.invars[0].aval.dtype):
        raise NotNative("it works on keys")
    return [tracer.add(eqn.primitive.name, operands(tracer, eqn, inputs), shape_of(out), dtype_of(out))]


@cache
def _digamma_at_zero() -> float:
    """NaN or -infinity, by the version of XLA."""
    with jax.ensure_compile_time_eval():
        return float(lax.digamma(jnp.zeros((), jnp.float32)))


@rule("digamma", kind="elementwise")
def digamma(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """The derivative of lgamma, at its first pole what this version of XLA has there."""
    (x,) = inputs
    out = tracer.add("digamma", [x], x.shape, x.dtype)
    if np.isnan(_digamma_at_zero()):
        return [out]
    pole = tracer.add("eq", [x, tracer.full(0, x.shape, x.dtype)], x.shape, "bool")
    return [tracer.add("select_n", [pole, out, tracer.full(-np.inf, x.shape, x.dtype)], x.shape, x.dtype)]


@rule("add_any", kind="elementwise")
def add_any(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """An addition that differentiation made."""
    out = eqn.outvars[0].aval
    return [tracer.add("add", operands(tracer, eqn, inputs), shape_of(out), dtype_of(out))]


@rule("one_minus_square", kind="elementwise")
def one_minus_square(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """1 - x * x as (1 + x) (1 - x), which keeps its digits where x is near 1 or -1."""
    (x,) = inputs
    one = tracer.full(1, x.shape, x.dtype)
    above, below = (tracer.add(op, [one, x], x.shape, x.dtype) for op in ("add", "sub"))
    return [tracer.add("mul", [above, below], x.shape, x.dtype)]


@rule("log2", kind="elementwise")
def log2(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """The natural logarithm times 1 / log(2), as JAX has it."""
    (x,) = inputs
    log = tracer.add("log", [x], x.shape, x.dtype)
    return [tracer.add("mul", [log, tracer.full(1.4426950408889634, x.shape, x.dtype)], x.shape, x.dtype)]


@rule("device_put", kind="identity", params=("devices", "srcs", "copy_semantics"), note="to no device in particular")
def device_put(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """Arrays that stay where they are."""
    if any(device is not None for device in eqn.params["devices"]):
        raise NotNative("it names a device")
    return inputs


@rule("polynomial", kind="elementwise", params=("unroll",))
def polynomial(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """Horner's scheme, coefficients in ascending order; JAX starts long ones from zero."""
    x, *coefficients = operands(tracer, eqn, inputs)
    most = eqn.params.get("unroll")
    is_long = len(coefficients) > (8 if most is None else most)
    total = tracer.full(0, x.shape, x.dtype) if is_long else coefficients.pop()
    for c in reversed(coefficients):
        product = tracer.add("mul", [total, x], x.shape, x.dtype)
        total = tracer.add("add", [product, c], x.shape, x.dtype)
    return [total]


@rule("select_n", kind="elementwise")
def select_n(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """The case that the first operand chooses; it may be one scalar, and lacks the words of keys."""
    out = eqn.outvars[0].aval
    shape = shape_of(out)
    which, *cases = inputs
    axes = range(len(which.shape)) if which.shape == tuple(out.shape) else None
    which = tracer.broadcast(which, shape, axes)
    return [tracer.add("select_n", [which, *cases], shape, dtype_of(out))]


@rule("clamp", kind="elementwise")
def clamp(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """The middle operand between the other two."""
    out = eqn.outvars[0].aval
    low, x, high = operands(tracer, eqn, inputs)
    at_least = tracer.add("max", [low, x], x.shape, x.dtype)
    return [tracer.add("min", [at_least, high], x.shape, dtype_of(out))]


@rule("integer_pow", kind="elementwise", params=("y",))
def integer_pow(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """A power with a known exponent: by products, each rounded in half types."""
    out, (x,), power = eqn.outvars[0].aval, inputs, int(eqn.params["y"])
    if x.dtype in HALF:
        return [_rounded_power(tracer, x, power)]
    return [tracer.add("integer_pow", inputs, shape_of(out), dtype_of(out), y=int(eqn.params["y"]))]


def _rounded_power(tracer: Tracer, x: Value, power: int) -> Value:
    multiply = lambda op, a, b: tracer.add(op, [a, b], x.shape, x.dtype)  # noqa: E731
    one = tracer.full(1, x.shape, x.dtype)
    out, n = None, abs(power)
    while n:
        if n & 1:
            out = x if out is None else multiply("mul", out, x)
        n >>= 1
        if n:
            x = multiply("mul", x, x)
    out = one if out is None else out
    return multiply("div", one, out) if power < 0 else out


@rule("round", kind="elementwise", params=("rounding_method",))
def round_(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """To integers; halves to even or away from zero."""
    out = eqn.outvars[0].aval
    even = eqn.params["rounding_method"].name == "TO_NEAREST_EVEN"
    return [tracer.add("round_even" if even else "round", inputs, shape_of(out), dtype_of(out))]


@rule("convert_element_type", kind="elementwise", params=("new_dtype", "weak_type"))
def convert_element_type(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """A conversion: integers wrap around, floats that go to integers saturate, NaN gives 0."""
    return [tracer.convert(inputs[0], dtype_of(eqn.outvars[0].aval))]


@rule("copy", "copy_p", "stop_gradient", "optimization_barrier", kind="identity")
def identity(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """Nothing to do."""
    return inputs
