"""The contract of a native function: what `jax.jit` gives, in values, types, weak types and special values."""

import contextlib
import functools
import os

import jax
import jax.numpy as jnp
import numpy as np

from jaxbm.kernels.program import accelerate

# Relative to the largest value near: XLA's own functions are good to some units in the last place.
TOLERANCE = {"float64": 1e-13, "float32": 4e-6, "float16": 2e-3, "bfloat16": 1.6e-2}


@contextlib.contextmanager
def checked():
    """Loads and stores of programs compiled within are compared with their buffers' bounds."""
    before = os.environ.get("JAXBM_CHECK")
    os.environ["JAXBM_CHECK"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["JAXBM_CHECK"]
        else:
            os.environ["JAXBM_CHECK"] = before


# XLA's code runs once here: what makes it fast would take most of these tests' time.
QUICKLY = {
    "xla_backend_optimization_level": 0,
    "xla_llvm_disable_expensive_passes": True,
    "xla_cpu_use_fusion_emitters": False,
}


@functools.cache
def quickly():
    """Those of the options that the running XLA knows."""
    known = {}
    for name, value in QUICKLY.items():
        with contextlib.suppress(jax.errors.JaxRuntimeError):
            jax.jit(jnp.negative, compiler_options={name: value})(1.0)
            known[name] = value
    return known


def reference(f):
    """`jax.jit(f)`, compiled in a hurry."""
    return jax.jit(f, compiler_options=quickly())


def same(f, *args, factor=1.0, x64=False, exact=False, magnitude=None):
    """accelerate(f) at these arguments gives what jax.jit(f) gives, and all of it is native.

    Below `magnitude` errors are measured against it: there XLA's own results are right in absolute terms only.
    """
    with jax.enable_x64(True) if x64 else contextlib.nullcontext():
        expected = reference(f)(*args)
        out = accelerate(f, require=True)(*args)
        compare(out, expected, factor=factor, exact=exact, magnitude=magnitude)
    return expected


def same_in(layout, table, *args, factors=None, exact=False, magnitudes=None):
    """Elementwise functions, all in one native program, in every way that `layout` hands them their arrays.

    What JAX gives for whole arrays says what it gives for their parts, so XLA compiles each function once.

    Args:
      layout: from a function to one that gives a dict of its results at parts of its arguments, each the same part.
      table: functions by name.
      args: arrays, the same for all functions, or dicts of them by the functions' names.
      factors, magnitudes: as for `same`, for some of the functions, by name.
    """
    factors, magnitudes = factors or {}, magnitudes or {}
    with jax.enable_x64(True):
        of = {name: [a[name] if isinstance(a, dict) else a for a in args] for name in table}
        whole = reference(lambda of: {name: f(*of[name]) for name, f in table.items()})(of)
        out = accelerate(lambda of: {name: layout(f)(*of[name]) for name, f in table.items()}, require=True)(of)
        for name, one in whole.items():
            want = layout(lambda a, *_: a)(*[np.asarray(one) for _ in args])
            compare({name: out[name]}, {name: want}, factor=factors.get(name, 1.0), exact=exact,
                    magnitude=magnitudes.get(name))  # fmt: skip


def compare(out, expected, *, factor=1.0, exact=False, magnitude=None):
    """Two pytrees of arrays agree; the error names the leaf."""
    leaves, tree = jax.tree.flatten_with_path(expected)
    others, other_tree = jax.tree.flatten(out)
    assert tree == other_tree
    for (path, want), got in zip(leaves, others, strict=True):
        where = jax.tree_util.keystr(path)
        assert got.dtype == want.dtype, f"{where}: {got.dtype}, expected {want.dtype}"
        assert got.shape == want.shape, f"{where}: {got.shape}, expected {want.shape}"
        weak = getattr(want, "weak_type", False)
        assert got.weak_type == weak, f"{where}: weak type {got.weak_type}, expected {weak}"
        if jnp.issubdtype(want.dtype, jax.dtypes.prng_key):
            got, want = jax.random.key_data(got), jax.random.key_data(want)
        _compare_arrays(np.asarray(got), np.asarray(want), where, factor, exact, magnitude)


def _compare_arrays(got, want, where, factor, exact, magnitude):
    if exact or not jnp.issubdtype(want.dtype, jnp.floating):
        np.testing.assert_array_equal(_bits(got), _bits(want), err_msg=where)
        return
    kind = want.dtype
    tolerance = TOLERANCE[str(kind)] * factor
    got, want = got.astype(np.float64), want.astype(np.float64)
    finite = np.isfinite(want)
    np.testing.assert_array_equal(np.where(finite, 0, got), np.where(finite, 0, want), err_msg=f"{where}: not finite")
    assert np.isfinite(got[finite]).all(), f"{where}: a value that isn't finite where one is expected"
    size = np.abs(want[finite])
    least = float(jnp.finfo(kind).tiny) if magnitude is None else magnitude
    error = np.abs(got[finite] - want[finite])
    worst = np.max(error - tolerance * np.maximum(size, least), initial=0.0)
    assert worst <= 0, f"{where}: off by {error.max()} where values reach {size.max()}"


def _bits(x):
    """NaN compares equal to NaN, and zeros of different sign don't."""
    if not jnp.issubdtype(x.dtype, jnp.floating):
        return x
    nan = np.isnan(x.astype(np.float64))
    return np.where(nan, 0, x.view(f"u{x.dtype.itemsize}")), nan


def layouts(op):
    """A function of arrays of two axes that applies `op` to them whole, transposed, in parts and to one number."""
    return lambda *x: {
        "whole": op(*x),
        "transposed": op(*[a.T for a in x]),
        "strided": op(*[a[1::2, 2:9] for a in x]),
        "reversed": op(*[a[::-1, ::-1] for a in x]),
        "small": op(*[a[:2, :3] for a in x]),
        "scalar": op(*[a[0, 0] for a in x]),
        "broadcast": op(*[jnp.broadcast_to(a[0], (3, *a[0].shape)) for a in x]),
        "vector": op(*[a.reshape(-1) for a in x]),
    }


def forms(op):
    """As `layouts`, but what makes a difference to the operation itself: vectors in a loop, packed, and scalars."""
    return lambda *x: {"whole": op(*x), "small": op(*[a[0, :3] for a in x]), "scalar": op(*[a[0, 0] for a in x])}


def floats(dtype, shape=(5, 37), seed=0, low=-np.inf, high=np.inf):
    """Numbers of all sizes and the special ones, within bounds."""
    rng = np.random.default_rng(seed)
    n = int(np.prod(shape))
    values = np.concatenate([rng.normal(size=n) * 3, rng.uniform(-1, 1, n), 10.0 ** rng.uniform(-6, 3, n)])
    special = [0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 0.5, -0.5, 2.0, 1.5, -2.5, 3.0]
    values = np.concatenate([np.tile(special, 2), rng.permutation(values)])[:n]
    values = rng.permutation(values)
    inside = np.isnan(values) | ((values >= low) & (values <= high))
    middle = 0.5 * (max(low, -2.0) + min(high, 2.0))
    return jnp.asarray(np.where(inside, values, middle).reshape(shape), dtype)


def integers(dtype, shape=(5, 37), seed=0, low=None, high=None):
    """Small and large numbers, the limits among them, within bounds."""
    rng = np.random.default_rng(seed)
    info = jnp.iinfo(dtype)
    low, high = (
        max(info.min, low if low is not None else info.min),
        min(info.max, high if high is not None else info.max),
    )
    n = int(np.prod(shape))
    few = rng.integers(max(low, -9), min(high, 9), n, endpoint=True)
    wide = rng.integers(low, high, n, endpoint=True, dtype=np.dtype(info.dtype))
    values = np.where(rng.random(n) < 0.5, few.astype(info.dtype), wide)
    values[:2] = low, high
    return jnp.asarray(rng.permutation(values).reshape(shape))


def agree(got, wanted, tolerance=1e-9):
    """The largest difference, relative above 1; integers and NaN must agree exactly."""
    worst = 0.0
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
        assert a.shape == b.shape
        assert a.dtype == b.dtype
        a, b = np.asarray(a), np.asarray(b)
        if a.dtype.kind != "f":
            assert np.array_equal(a, b), "integers differ"
            continue
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        if same.all():
            continue
        assert np.array_equal(np.isfinite(a), np.isfinite(b)), "finite elsewhere"
        error = np.abs(a - b)[~same] / (1 + np.abs(b[~same]))
        worst = max(worst, float(error.max()))
    assert worst <= tolerance, f"differs by {worst}"
    return worst
