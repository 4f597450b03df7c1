"""Elementary functions against references of far higher precision, in units of the last place."""

import math
import platform
import re

import numpy as np
import pytest
import scipy.special

pytest.importorskip("llvmlite")
from llvm_jit import Compiled, assembly

from jaxbm.kernels.program import arithmetic, control, maths
from jaxbm.kernels.program.text import Module
from jaxbm.kernels.program.types import F32, F64, I32, I64, PTR

mp = pytest.importorskip("mpmath")

# float64 serves as reference for float32, mpmath with 50 digits for float64; then the domain.
FUNCTIONS = {
    "exp": (np.exp, mp.exp, -math.inf, math.inf),
    "exp2": (np.exp2, lambda x: mp.mpf(2) ** x, -math.inf, math.inf),
    "expm1": (np.expm1, mp.expm1, -math.inf, math.inf),
    "logistic": (scipy.special.expit, lambda x: 1 / (1 + mp.exp(-x)), -math.inf, math.inf),
    "log": (np.log, mp.log, 0, math.inf),
    "log1p": (np.log1p, mp.log1p, -1, math.inf),
    "power_of_-3_halves": (lambda x: np.power(x, -1.5), lambda x: x ** mp.mpf("-1.5"), 0, math.inf),
    "power_of_5_halves": (lambda x: np.power(x, 2.5), lambda x: x ** mp.mpf("2.5"), 0, math.inf),
    "power_of_-6_halves": (lambda x: np.power(x, -3.0), lambda x: x**-3, -math.inf, math.inf),
    "cbrt": (np.cbrt, lambda x: mp.sign(x) * mp.cbrt(abs(x)), -math.inf, math.inf),
    "sin": (np.sin, mp.sin, -math.inf, math.inf),
    "cos": (np.cos, mp.cos, -math.inf, math.inf),
    "tan": (np.tan, mp.tan, -math.inf, math.inf),
    "asin": (np.arcsin, mp.asin, -1, 1),
    "acos": (np.arccos, mp.acos, -1, 1),
    "atan": (np.arctan, mp.atan, -math.inf, math.inf),
    "sinh": (np.sinh, mp.sinh, -math.inf, math.inf),
    "cosh": (np.cosh, mp.cosh, -math.inf, math.inf),
    "tanh": (np.tanh, mp.tanh, -math.inf, math.inf),
    "asinh": (np.arcsinh, mp.asinh, -math.inf, math.inf),
    "acosh": (np.arccosh, mp.acosh, 1, math.inf),
    "atanh": (np.arctanh, mp.atanh, -1, 1),
    "erf": (scipy.special.erf, mp.erf, -math.inf, math.inf),
    "erfc": (scipy.special.erfc, lambda x: mp.erfc(min(max(x, -40), 40)), -math.inf, math.inf),
    "erf_inv": (scipy.special.erfinv, lambda x: erf_inv(x), -1, 1),
    "lgamma": (scipy.special.gammaln, lambda x: mp.loggamma(x).real, 0, math.inf),
    "digamma": (scipy.special.digamma, mp.digamma, 0, math.inf),
}
BINARY = ("pow", "atan2")
DENSE = {"erf_inv": (0.5, 0.53), "digamma": (0.9, 7.1)}
"""Where errors of several roundings add up, so that some numbers chosen at random don't tell."""
FORMATS = {np.float32: (F32, 24, -149, 8), np.float64: (F64, 53, -1074, 4)}


def erf_inv(x):
    y = mp.mpf(float(scipy.special.erfinv(float(x))))
    for _ in range(3):
        miss = mp.erf(y) - x if abs(x) < 0.5 else mp.sign(x) * ((1 - abs(x)) - mp.erfc(abs(y)))
        y -= miss * mp.sqrt(mp.pi) / 2 * mp.exp(y * y)
    return y


def module_of(type, names, lanes):
    module = Module()
    for name in names:
        f = module.function(name, [("p", PTR), ("r", PTR), ("q", PTR), ("n", I64)])
        p, r, q, n = f.params

        def body(i, _, f=f, p=p, r=r, q=q, name=name):
            args = [f.load(p, type.vector(lanes), i)]
            if name in BINARY:
                args.append(f.load(r, type.vector(lanes), i))
            f.store(maths.call(f, name, *args), q, i)

        control.loop(f, n, body, step=lanes or 1)
        f.ret()
    return module.text()


@pytest.fixture(scope="module")
def compiled():
    kept = {}

    def get(dtype, lanes):
        if (dtype, lanes) not in kept:
            kept[dtype, lanes] = Compiled(module_of(FORMATS[dtype][0], [*FUNCTIONS, *BINARY], lanes))
        return kept[dtype, lanes]

    return get


def run(compiled, name, x, y=None, lanes=None):
    dtype = x.dtype.type
    lanes = FORMATS[dtype][3] if lanes is None else lanes
    n = len(x)
    x = np.concatenate([x, np.full(-n % 8, x[0], dtype)])
    y = x if y is None else np.concatenate([y, np.full(-n % 8, y[0], dtype)])
    out = np.empty_like(x)
    compiled(dtype, lanes)(name, x, y, out, len(x))
    return out[:n]


def inputs(dtype, low, high, n, seed=0):
    """All magnitudes, by bits and by value, and dense where most is going on."""
    rng = np.random.default_rng(seed)
    bits = rng.integers(0, 2 ** (8 * dtype().itemsize), n, dtype=f"u{dtype().itemsize}").view(dtype)
    parts = [bits, *(rng.uniform(-s, s, n) for s in (1, 12, 120, 760)), rng.normal(size=n) * 1e-3]
    parts += [1 + rng.normal(size=n) * 1e-2, 10 ** rng.uniform(-8, 9, n) * rng.choice([-1, 1], n)]
    parts += [(1 - 10 ** rng.uniform(-16, 0, n)) * rng.choice([-1, 1], n)]
    with np.errstate(over="ignore", under="ignore"):
        x = np.concatenate([p.astype(dtype) for p in parts])
    return x[np.isfinite(x) & (x > low) & (x < high)]


def ulps(values, reference, dtype):
    """The largest error in units of the last place of the reference, and where; mpmath numbers for reference."""
    _, mantissa, lowest, _ = FORMATS[dtype]
    largest = mp.mpf(float(np.finfo(dtype).max))
    worst = (0.0, 0)
    for k, (a, b) in enumerate(zip(values, reference, strict=True)):
        if abs(b) > largest:
            assert np.isinf(a) or abs(b) < largest * (1 + mp.mpf(2) ** (2 - mantissa)), "it overflows"
            continue
        unit = mp.mpf(2) ** max(mp.frexp(b)[1] - mantissa, lowest)
        error = float(abs(mp.mpf(float(a)) - b) / unit) if np.isfinite(a) else math.inf
        worst = max(worst, (error, k))
    return worst


@pytest.mark.parametrize("name", FUNCTIONS)
def test_float32_is_within_two_units_in_the_last_place(compiled, name):
    reference, _, low, high = FUNCTIONS[name]
    x = inputs(np.float32, low, high, 20_000)
    y = run(compiled, name, x)
    with np.errstate(all="ignore"):
        exact = reference(x.astype(np.float64))
        unit = 2.0 ** np.maximum(np.floor(np.log2(np.abs(exact))) - 23, -149)
        over = np.abs(exact) > float(np.finfo(np.float32).max)
    assert np.all(np.isinf(y[np.abs(exact) > 3.402824e38]))
    with np.errstate(all="ignore"):
        error = np.where(over | (exact == 0), 0, np.abs(y - exact) / unit)
    worst = int(np.argmax(error))
    assert error[worst] <= 2, f"{error[worst]} units at {x[worst]!r}"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_float64_is_within_two_units_in_the_last_place(compiled, name):
    _, reference, low, high = FUNCTIONS[name]
    x = inputs(np.float64, low, high, 60, seed=1)
    x = x[x > 1e-290] if name in ("lgamma", "digamma") else x
    x = np.concatenate([x, np.random.default_rng(2).uniform(*DENSE[name], 900)]) if name in DENSE else x
    with mp.workdps(50):
        error, k = ulps(run(compiled, name, x), [reference(mp.mpf(float(v))) for v in x], np.float64)
    assert error <= 2, f"{error} units at {x[k]!r}"


@pytest.mark.parametrize("dtype", FORMATS)
def test_powers_and_angles(compiled, dtype):
    rng = np.random.default_rng(3)
    n = 400
    x = np.concatenate([10 ** rng.uniform(-3, 3, n), 1 + rng.normal(size=n) * 1e-3, 10 ** rng.uniform(-38, 38, n)])
    y = rng.uniform(-1, 1, 3 * n) * (90 if dtype is np.float32 else 712) / np.abs(np.log(x))
    x, y = x.astype(dtype), y.astype(dtype)
    with mp.workdps(50):
        exact = [mp.mpf(float(a)) ** mp.mpf(float(b)) for a, b in zip(x, y, strict=True)]
        assert ulps(run(compiled, "pow", x, y), exact, dtype)[0] <= 1
        y = np.concatenate([rng.normal(size=n), 10 ** rng.uniform(-30, 30, 2 * n)]).astype(dtype)
        x = (10 ** rng.uniform(-30, 30, 3 * n) * rng.choice([-1, 1], 3 * n)).astype(dtype)
        exact = [mp.atan2(mp.mpf(float(a)), mp.mpf(float(b))) for a, b in zip(y, x, strict=True)]
        assert ulps(run(compiled, "atan2", y, x), exact, dtype)[0] <= 2


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("name", BINARY)
def test_special_pairs_are_those_of_numpy(compiled, dtype, name):
    info = np.finfo(dtype)
    values = [0, 1, 0.5, 2, 3, 2.5, math.inf, info.smallest_subnormal, info.tiny, info.max, 2**24 - 1, 1e9 + 1]
    values = np.array([s * float(v) for v in values for s in (1, -1)] + [math.nan], dtype)
    x, y = (v.ravel() for v in np.meshgrid(values, values))
    out = run(compiled, name, x, y)
    with np.errstate(all="ignore"):
        expected = {"pow": np.power, "atan2": np.arctan2}[name](x, y)
        near = np.abs(out - expected) <= 2 * np.abs(np.spacing(expected))
    exact = (out == expected) & (np.signbit(out) == np.signbit(expected))
    good = exact | near | (np.isnan(out) & np.isnan(expected))
    assert good.all(), [(x[k], y[k], out[k], expected[k]) for k in np.flatnonzero(~good)[:5]]


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_special_values(compiled, dtype, name):
    info = np.finfo(dtype)
    x = np.array([0.0, -0.0, math.inf, -math.inf, math.nan, 1, -1, 2, -2, info.tiny, -info.tiny, info.max], dtype)
    with np.errstate(all="ignore"):
        expected = FUNCTIONS[name][0](x)
    if name == "lgamma":
        expected = np.where((x <= 0) & (x == np.floor(x)), math.inf, expected)
    if name == "digamma":  # JAX has NaN at the poles
        expected = np.where((x <= 0) & (x == np.floor(x)), math.nan, expected)
    out = run(compiled, name, x)
    for value, a, b in zip(x, out, expected, strict=True):
        if np.isnan(b):
            assert np.isnan(a), value
        elif b == 0 or np.isinf(b):
            assert a == b, value
            assert np.signbit(a) == np.signbit(b) or (b == 0 and value != 0) or name in ("lgamma", "erf_inv"), value
        else:
            np.testing.assert_allclose(a, b, rtol=4 * info.eps, err_msg=str(value))


@pytest.mark.parametrize("dtype", FORMATS)
def test_scalars_and_vectors_give_the_same_bits(compiled, dtype):
    for name, (_, _, low, high) in FUNCTIONS.items():
        x = inputs(dtype, low, high, 200, seed=7)
        np.testing.assert_array_equal(run(compiled, name, x), run(compiled, name, x, lanes=0), err_msg=name)


@pytest.mark.parametrize("dtype", FORMATS)
def test_negative_arguments_of_lgamma_and_digamma(compiled, dtype):
    x = np.random.default_rng(5).uniform(-30, 0, 500).astype(dtype)
    with mp.workdps(50):
        gamma = np.array([float(mp.log(abs(mp.gamma(mp.mpf(float(v)))))) for v in x])
        psi = np.array([float(mp.digamma(mp.mpf(float(v)))) for v in x])
    eps = np.finfo(dtype).eps
    # Near their zeros they are right to rounding of the terms that cancel there.
    np.testing.assert_allclose(run(compiled, "lgamma", x), gamma, rtol=3 * eps, atol=60 * 4.6e-16)
    np.testing.assert_allclose(run(compiled, "digamma", x), psi, rtol=20 * eps, atol=8 * eps)


def test_huge_angles(compiled):
    """Those nearest to multiples of pi/2 (Muller, Elementary Functions, section 11.2), and powers of two."""
    x = np.array([6381956970095103.0 * 2.0**797, 5.319372648326541e255, 2.0**1023, 1e22, 2.0**27, 3e8, -1e300])
    with mp.workdps(400):
        for name in ("sin", "cos", "tan"):
            exact = [FUNCTIONS[name][1](mp.mpf(float(v))) for v in x]
            assert ulps(run(compiled, name, x), exact, np.float64)[0] <= 2
            single = x[np.abs(x) < 3e38].astype(np.float32)
            exact = [FUNCTIONS[name][1](mp.mpf(float(v))) for v in single]
            assert ulps(run(compiled, name, single), exact, np.float32)[0] <= 2


def test_what_a_processor_does_by_itself_is_written_once():
    """An operation of the table is never looked for here; `pow` is, for what the table leaves over."""
    assert maths.names() & arithmetic.TABLE.keys() == {"pow"}


def test_other_types_are_refused():
    f = Module().function("run", [("x", I32), ("y", F32)])
    with pytest.raises(TypeError, match="exp is defined for float32 and float64, not for i32"):
        maths.call(f, "exp", f.params[0])
    with pytest.raises(KeyError):
        maths.call(f, "no_such_function", f.params[1])


@pytest.mark.parametrize(
    ("triple", "cpu"), [("aarch64-unknown-linux-gnu", "neoverse-n1"), ("x86_64-unknown-linux-gnu", "haswell")]
)
def test_other_processors_need_no_library(triple, cpu):
    names = [*FUNCTIONS, *BINARY]
    for type, lanes in ((F32, 4), (F64, 2), (F64, 0)):
        words = set(re.findall(r"[A-Za-z_]\w*", assembly(module_of(type, names, lanes), triple, cpu)))
        library = {"fma", "floor", "ceil", "rint", "trunc", "round", "roundeven", "sqrt", "copysign", *FUNCTIONS}
        called = {w for w in words if w.removesuffix("f") in library}
        assert called <= {*names}, "a call of the C library"


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="x86's control register")
@pytest.mark.parametrize("dtype", FORMATS)
def test_results_are_the_same_where_subnormal_numbers_are_flushed(compiled, dtype):
    """XLA's threads run in that mode; only subnormal arguments and results may differ."""
    type, _, _, lanes = FORMATS[dtype]
    tiny = np.finfo(dtype).tiny
    text = module_of(type, FUNCTIONS, lanes).replace("define void", "define internal void")
    extra = ["declare void @llvm.x86.sse.ldmxcsr(ptr)", "declare void @llvm.x86.sse.stmxcsr(ptr)"]
    for name in FUNCTIONS:
        call = f"call void @{name}(ptr %p, ptr %r, ptr %q, i64 %n)"
        extra.append(
            f"""define void @flushed_{name}(ptr %p, ptr %r, ptr %q, i64 %n) {{
  %s = alloca i32
  call void @llvm.x86.sse.stmxcsr(ptr %s)
  %old = load i32, ptr %s
  %new = or i32 %old, {0x8040}
  store i32 %new, ptr %s
  call void @llvm.x86.sse.ldmxcsr(ptr %s)
  {call}
  store i32 %old, ptr %s
  call void @llvm.x86.sse.ldmxcsr(ptr %s)
  ret void
}}"""
        )
    flushed = Compiled(text + "\n".join(extra))
    for name, (_, _, low, high) in FUNCTIONS.items():
        x = inputs(dtype, low, high, 500, seed=9)
        x = x[np.abs(x) >= tiny]
        x = x[: len(x) // 8 * 8].copy()
        expected, out = run(compiled, name, x), np.empty_like(x)
        flushed(f"flushed_{name}", x, x, out, len(x))
        normal = np.abs(expected) >= tiny
        np.testing.assert_array_equal(out[normal], expected[normal], err_msg=name)
        assert np.all(np.abs(out[~normal]) <= tiny), name


def test_the_committed_coefficients_are_those_that_fit_makes():
    from jaxbm.kernels.program.maths import fit, tables

    with mp.workdps(80):
        for name in ("EXP", "LOG_ATANH", "SIN", "ERFCX"):
            table = fit.TABLES[name]
            fitted = [float(c) for c in fit.coefficients(table, table.float64)]
            np.testing.assert_allclose(getattr(tables, f"{name}_64"), fitted, rtol=1e-15)
