"""Elementwise primitives, in every type and layout, against jax.jit."""

import operator

import numpy as np
import pytest

pytest.importorskip("llvmlite")

import jax
import jax.numpy as jnp
from contract import checked, floats, forms, integers, layouts, same, same_in
from jax import lax

import jaxbm

FLOATS = ("float32", "float64", "bfloat16", "float16")
INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
INFINITE = (-np.inf, np.inf)

# name: function, domain, how much less exact than the others XLA's own is
UNARY = {
    "exp": (lax.exp, INFINITE, 1), "exp2": (lax.exp2, (-2, 2), 1), "expm1": (lax.expm1, INFINITE, 1),
    "log": (lax.log, INFINITE, 1), "log1p": (lax.log1p, INFINITE, 1), "logistic": (lax.logistic, INFINITE, 1),
    "tanh": (lax.tanh, INFINITE, 1), "sqrt": (lax.sqrt, INFINITE, 1), "rsqrt": (lax.rsqrt, INFINITE, 1),
    "cbrt": (lax.cbrt, INFINITE, 1), "sin": (lax.sin, INFINITE, 3), "cos": (lax.cos, INFINITE, 3),
    "tan": (lax.tan, INFINITE, 10), "asin": (lax.asin, (-1, 1), 3), "acos": (lax.acos, (-1, 1), 3),
    "atan": (lax.atan, INFINITE, 1), "sinh": (lax.sinh, INFINITE, 3), "cosh": (lax.cosh, INFINITE, 3),
    "asinh": (lax.asinh, INFINITE, 3), "acosh": (lax.acosh, (1, np.inf), 10), "atanh": (lax.atanh, (-1, 1), 3),
    "erf": (lax.erf, INFINITE, 1), "erfc": (lax.erfc, (-9, 6), 30), "erf_inv": (lax.erf_inv, (-1, 1), 3),
    "lgamma": (lax.lgamma, (0.01, np.inf), 300), "digamma": (lax.digamma, (0.01, np.inf), 3000),
}  # fmt: skip
EXACT = {
    "neg": lax.neg, "abs": lax.abs, "sign": lax.sign, "floor": lax.floor, "ceil": lax.ceil,
    "is_finite": lax.is_finite, "square": lax.square,
    "round": lambda x: lax.round(x, lax.RoundingMethod.TO_NEAREST_EVEN),
    "round_away": lambda x: lax.round(x, lax.RoundingMethod.AWAY_FROM_ZERO),
}  # fmt: skip
BINARY = {
    "add": lax.add, "sub": lax.sub, "mul": lax.mul, "div": lax.div, "max": lax.max, "min": lax.min, "rem": lax.rem,
    "nextafter": lax.nextafter, "eq": lax.eq, "ne": lax.ne, "lt": lax.lt, "le": lax.le, "gt": lax.gt, "ge": lax.ge,
    "eq_to": lambda x, y: lax.eq_to_p.bind(x, y), "le_to": lambda x, y: lax.le_to_p.bind(x, y),
    "lt_to": lambda x, y: lax.lt_to_p.bind(x, y),
}  # fmt: skip


@pytest.mark.parametrize("dtype", FLOATS)
def test_functions(dtype):
    with jax.enable_x64(True):
        x = {name: floats(dtype, low=low, high=high) for name, (_, (low, high), _) in UNARY.items()}
    # Half types are computed in float32 on both sides, and rounded.
    factors = {name: factor for name, (*_, factor) in UNARY.items()} if dtype in ("float32", "float64") else {}
    table = {name: f for name, (f, *_) in UNARY.items()}
    same_in(forms, table, x, factors=factors, magnitudes={"lgamma": 1.0, "digamma": 1.0})


@pytest.mark.parametrize("dtype", FLOATS)
def test_exact_functions_of_floats_in_every_layout(dtype):
    table = EXACT if dtype in ("float32", "float64") else {k: v for k, v in EXACT.items() if k != "round_away"}
    with jax.enable_x64(True):
        x = floats(dtype)
    same_in(layouts, table, x, exact=True)
    same_in(layouts, {"tanh": lax.tanh}, x)


@pytest.mark.parametrize("dtype", FLOATS)
def test_pairs_of_floats(dtype):
    with jax.enable_x64(True):
        x, y = floats(dtype, seed=1), floats(dtype, seed=2)
    # XLA refuses nextafter of the one half type.
    table = {k: op for k, op in BINARY.items() if k != "nextafter" or dtype != "float16"}
    same_in(forms, table, x, y, exact=True)
    same_in(layouts, {"sub": lax.sub, "lt": lax.lt}, x, y, exact=True)
    same(lambda x, y: (x[::-1] - y, lax.max(x[2], y[3]), x.T - y[0, 0]), x, y, x64=True, exact=True)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_powers_and_angles(dtype):
    with jax.enable_x64(True):
        x, y = floats(dtype, seed=3), floats(dtype, seed=4)
    same(
        lambda x, y: {"pow": lax.pow(x, y), "atan2": lax.atan2(x, y), "small": x[0, 0] ** y[0, 0]},
        x,
        y,
        x64=True,
        factor=3,
    )
    powers = (0, 1, 2, 3, 4, 5, 7, 12, -1, -2, -3)
    same(lambda x: {n: lax.integer_pow(x, n) for n in powers}, x, x64=True, factor=3)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("reverse", [False, True])
def test_cumulative_sums_of_exponentials_of_half_types(dtype, reverse):
    x = jnp.asarray([[1.0, -jnp.inf, 3.5, 2.0, -1.0], [-jnp.inf, -jnp.inf, 0.0, jnp.inf, jnp.nan]], dtype)
    same(lambda x: lax.cumlogsumexp(x, axis=1, reverse=reverse), x)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_powers_of_half_types_are_rounded_at_every_product(dtype):
    x = jnp.asarray([127, 128, 300, -255, 1e-3, 3.3, 0, jnp.inf], dtype)
    same(lambda x: {n: lax.integer_pow(x, n) for n in (-4, -3, -2, -1, 0, 2, 3, 5, 7)}, x, exact=True)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rounding_to_integers_at_its_edges(dtype):
    big, below = 2.0 ** np.finfo(dtype).nmant, np.nextafter(np.array(0.5, dtype), np.array(0, dtype))
    x = [0.5, 1.5, 2.5, -0.5, -1.5, -2.5, below, -below, -0.3, -0.0, big - 0.5, big + 1, -big, 1e30, np.inf, np.nan]
    x = np.array(x, dtype)
    names = ("floor", "ceil", "round", "round_away")
    with jax.enable_x64(True):
        out = jaxbm.accelerate(lambda x: [EXACT[name](x) for name in names], require=True)(x)
    away = np.copysign(np.floor(np.abs(x.astype(np.longdouble)) + 0.5), x).astype(dtype)
    for got, want in zip(out, (np.floor(x), np.ceil(x), np.rint(x), away), strict=True):
        np.testing.assert_array_equal(got, want)
        np.testing.assert_array_equal(np.signbit(got), np.signbit(want))


@pytest.mark.parametrize(("dtype", "tiny"), [("float32", 1e-40), ("float64", 1e-310)])
def test_the_number_next_to_a_subnormal_one(dtype, tiny):
    x, y = (np.tile(np.array(v, dtype), 8) for v in ([tiny, -tiny, 0.0, tiny], [1.0, 0.0, tiny, -tiny]))
    with jax.enable_x64(True):
        out = jaxbm.accelerate(lax.nextafter, require=True)(x, y)
    np.testing.assert_array_equal(np.asarray(out).view(np.uint8), np.nextafter(x, y).view(np.uint8))


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_a_subnormal_number_is_itself_or_zero(dtype):
    info = jnp.finfo(dtype)
    with jax.enable_x64(True):
        x, y = (jnp.asarray([float(tiny), -float(tiny)] * 8, dtype) for tiny in (info.tiny / 3, info.tiny))
        sign, root, power, none = jaxbm.accelerate(
            lambda x, y: (lax.sign(x), lax.cbrt(x), lax.pow(x, y), lax.pow(x, jnp.abs(x))), require=True
        )(x, y)
    assert set(np.abs(np.asarray(sign, float))) <= {0, 1}
    assert np.all((np.asarray(root) == 0) | np.isclose(np.asarray(root, float), np.cbrt(np.asarray(x, float)), 1e-2))
    negative = np.asarray(x, float) < 0
    power, none = np.asarray(power, float), np.asarray(none, float)
    grown = np.where(np.asarray(y, float) < 0, np.inf, 0)  # of zero; one and NaN of the number itself
    assert np.all((power == grown) | np.where(negative, np.isnan(power), power == 1)), power
    assert np.all((none == 1) | (negative & np.isnan(none))), none


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers(dtype):
    with jax.enable_x64(True):
        x, y = integers(dtype, seed=1), integers(dtype, seed=2)
        small = integers(dtype, seed=3, low=0, high=jnp.iinfo(dtype).bits + 2)
    unary = {"neg": lax.neg, "sign": lax.sign, "not": lax.bitwise_not, "square": lax.square}
    unary |= {"population_count": lax.population_count, "clz": lax.clz, "cube": lambda v: lax.integer_pow(v, 3)}
    unary |= {} if dtype.startswith("u") else {"abs": lax.abs}
    names = ("add", "sub", "mul", "div", "rem", "max", "min", "bitwise_and", "bitwise_or", "bitwise_xor")
    pairs = {name: getattr(lax, name) for name in (*names, "eq", "ne", "lt", "le", "gt", "ge")}
    pairs |= {"floordiv": operator.floordiv, "mod": operator.mod, "where": lambda a, b: jnp.where(a > b, a, b)}
    shifts = {name: getattr(lax, name) for name in ("shift_left", "shift_right_logical", "shift_right_arithmetic")}
    first = dict.fromkeys((*unary, *pairs, *shifts), x)
    second = dict.fromkeys(unary, x) | dict.fromkeys(pairs, y) | dict.fromkeys(shifts, small)
    table = {name: lambda a, _, f=f: f(a) for name, f in unary.items()} | pairs | shifts
    same_in(forms, table, first, second, exact=True)
    same_in(layouts, {"add": lax.add}, x, y, exact=True)


def test_booleans():
    rng = np.random.default_rng(0)
    x, y = (jnp.asarray(rng.random((5, 37)) < 0.5) for _ in range(2))
    ops = [lax.bitwise_and, lax.bitwise_or, lax.bitwise_xor, lax.eq, lax.ne, lax.lt, lax.ge, lax.max, lax.min]
    same(lambda x, y: [(op(x, y), op(x.T, y.T), op(x[0, 0], y[0, 0])) for op in ops] + [lax.bitwise_not(x)], x, y)
    same(lambda x, y: (x @ y.T, x[0] @ y[0], x[:, :1] @ y[:1]), x[:, :7], y[:, :7])


@pytest.mark.parametrize("source", [*FLOATS, *INTEGERS, "bool"])
def test_conversions(source):
    with jax.enable_x64(True):
        if source in FLOATS:
            x = floats(source, seed=5)
            x = x.at[0, :8].set(jnp.asarray([3e9, -3e9, 200.7, -200.7, 70000.0, -1.5, 1e19, -1e19]).astype(source))
        else:
            x = integers(source, seed=5) if source != "bool" else jnp.asarray(np.arange(185).reshape(5, 37) % 3 == 0)
    # What becomes of a float beyond an unsigned or narrow type's range is said nowhere; XLA saturates.
    targets = [*FLOATS, *INTEGERS, "bool"]
    same(lambda x: {t: (x.astype(t), x[0, 0].astype(t)) for t in targets}, x, x64=True, exact=True)


def test_a_float64_becomes_a_float16_in_one_rounding():
    """Beside the middle between two halves, where XLA rounds twice on some processors and once on others."""
    near = np.asarray([1 + 2**-11 + 2**-40, 1 + 3 * 2**-11 - 2**-40, -65519.9999, 2**-25 + 2**-60])
    with jax.enable_x64(True):
        half = jaxbm.accelerate(lambda x: x.astype(jnp.float16), require=True)(near)
    np.testing.assert_array_equal(np.asarray(half), near.astype(np.float16))


def test_what_is_put_on_no_device_and_logarithms_to_the_base_two():
    x = floats("float32", low=0.0)
    same(lambda x: jnp.log2(jax.device_put(x)), x, factor=3, magnitude=1.0)


def test_selection_clamping_and_broadcasts():
    x, y = floats("float32", seed=1), floats("float32", seed=2)
    which = integers("int32", low=0, high=2)
    same(
        lambda x, y, i: {
            "select": lax.select(x > y, x, y),
            "of three": lax.select_n(i, x, y, x + y),
            "by one": lax.select_n(x[0, 0] > 0, x, y),
            "clamp": lax.clamp(-0.5, x, 0.5),
            "clamp by arrays": lax.clamp(jnp.minimum(x, y), x * 2, jnp.maximum(x, y)),
            "where": jnp.where(i == 1, x, 7.0),
            "rows and columns": x[:, :1] * y[:1] + x[0, 0],
        },
        x,
        y,
        which,
    )


@pytest.mark.skipif(not hasattr(lax, "polynomial"), reason="this version of JAX has no such primitive")
def test_polynomials():
    x = floats("float32", low=-3, high=3)
    short, long = [0.5, -1.0, 2.0], list(np.linspace(-1, 1, 11))
    same(lambda x: (lax.polynomial(x, short), lax.polynomial(x[0, 0], short), lax.polynomial(x, long)), x, factor=3,
         magnitude=1.0)  # fmt: skip


@pytest.mark.skipif(not hasattr(lax, "one_minus_square_p"), reason="this version of JAX has no such primitive")
def test_the_derivative_of_tanh_keeps_its_digits():
    x = jnp.tanh(jnp.linspace(-9, 9, 40))
    same(lambda x: (lax.one_minus_square_p.bind(x), lax.one_minus_square_p.bind(x[3])), x, exact=True)


def test_weak_types_and_python_numbers():
    x = floats("float32")
    same(lambda x: (x + 1, x * 2.0, 2**x, jnp.sin(1.0), 3, 2.5, x > 1, jnp.float32(2) * 3), x)
    same(lambda a, b: (a + b, a * 2), 3, 2.5)
    same(lambda n: n // 2 + 1, 7)


def test_nothing_is_contracted():
    """a * b - c with one rounding would show in the last bits."""
    rng = np.random.default_rng(8)
    a, b = (jnp.asarray(rng.normal(size=1000), jnp.float32) for _ in range(2))
    out = same(lambda a, b: a * b - lax.optimization_barrier(a * b), a, b, exact=True)
    assert not np.asarray(out).any()


def test_bounds_are_checked_where_asked_for():
    with checked():
        same_in(layouts, {"exp": lax.exp, "add": lambda x: x + 1}, floats("float32"))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_quotient_by_one_number_is_rounded_as_a_division(dtype):
    # Where vectors are wide it is computed by products. Quotients halfway between two numbers are the hard ones.
    rng, bits, step = np.random.default_rng(0), np.dtype(dtype).itemsize * 8, np.finfo(dtype).eps
    divisors = [3, 7, 49, 0.1, 1 - 0.9**3, 2 - step, 1 + step, 1e-6, 2e6, 0, -0.0, -3, np.inf, np.nan]
    divisors = np.asarray([*divisors, *rng.uniform(0.5, 2, 18)], dtype)[:, None]
    any_bits = rng.integers(0, 1 << bits, (len(divisors), 512), f"uint{bits}").view(dtype)
    halfway = rng.integers(1 / step, 2 / step, (len(divisors), 512)).astype(np.float64) + 0.5
    usual = rng.standard_normal((len(divisors), 448)) * 10.0 ** rng.uniform(-8, 8, (len(divisors), 448))
    zeros = np.tile(np.asarray([0.0, -0.0, np.inf, -np.inf], dtype), (len(divisors), 16))
    with np.errstate(all="ignore"):
        x = np.concatenate([any_bits, halfway.astype(dtype) * divisors, usual.astype(dtype), zeros], 1)
        expected = x / divisors
    with jax.enable_x64(True):
        divide = jaxbm.accelerate(lambda x, b: jax.vmap(lambda x, b: x / b[0])(x, b), require=True)
        got = np.asarray(divide(x, divisors))
    tiny = np.finfo(dtype).tiny  # what is below may be flushed to zero
    compared = ~((abs(x) > 0) & (abs(x) < tiny)) & ~((abs(expected) > 0) & (abs(expected) <= tiny))
    same_bits = got.view(f"uint{bits}") == expected.view(f"uint{bits}")
    assert (same_bits | np.isnan(got) & np.isnan(expected))[compared].all()
