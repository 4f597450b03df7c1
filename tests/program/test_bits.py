"""Operations on the bits of numbers, against jax.jit: every bit is the same."""

import jax
import jax.numpy as jnp
import numpy as np
from contract import floats, integers, same
from jax import lax

FLOATS = ("float64", "float32", "float16", "bfloat16")
INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")


def test_rounding_to_fewer_bits():
    rng = np.random.default_rng(0)
    x = rng.normal(size=80) * 10.0 ** rng.integers(-44, 38, 80)
    x = np.concatenate([x, floats("float32").ravel(), [65520.0, 65519.9, 3.4e38, 1e-40]]).astype(np.float32)
    kinds = ((5, 10), (8, 7), (4, 3), (2, 1), (8, 3), (3, 23), (11, 52))
    none = ((8, 0), (5, 0), (1, 0))  # of mantissa: there XLA has NaN or an infinity for NaN, by its options

    def every(x):
        types = {t: x.astype(t) for t in FLOATS}
        out = {(t, kind): lax.reduce_precision(v, *kind) for t, v in types.items() for kind in kinds}
        numbers = {t: jnp.nan_to_num(v, posinf=jnp.inf, neginf=-jnp.inf) for t, v in types.items()}
        return out | {(t, kind): lax.reduce_precision(v, *kind) for t, v in numbers.items() for kind in none}

    same(every, x, x64=True, exact=True)


def test_bits_as_another_type():
    pairs = [("float32", "int32"), ("float64", "uint64"), ("uint32", "float32"), ("int8", "uint8")]
    pairs += [(half, "uint16") for half in ("float16", "bfloat16")]
    pairs += [("int16", half) for half in ("float16", "bfloat16")]
    with jax.enable_x64(True):
        x = [floats(a) if a in FLOATS else integers(a) for a, _ in pairs]

    def f(x):
        return [lax.bitcast_convert_type(v, jnp.dtype(b)) for v, (_, b) in zip(x, pairs, strict=True)]

    same(f, x, x64=True, exact=True)


def test_bits_of_wider_and_narrower_types():
    pairs = [("float32", "uint8"), ("float64", "float32"), ("int64", "int16"), ("bfloat16", "uint8")]
    with jax.enable_x64(True):
        x = [floats(a) if a in FLOATS else integers(a) for a, _ in pairs]
        parts = [lax.bitcast_convert_type(v, jnp.dtype(b)) for v, (_, b) in zip(x, pairs, strict=True)]

    def f(x, parts):
        apart = [lax.bitcast_convert_type(v, p.dtype) for v, p in zip(x, parts, strict=True)]
        apart = [lax.bitcast_convert_type(v, jnp.dtype(f"uint{8 * v.dtype.itemsize}")) for v in apart]
        together = [lax.bitcast_convert_type(p[::2], v.dtype) for v, p in zip(x, parts, strict=True)]
        one = lax.bitcast_convert_type(lax.bitcast_convert_type(x[0][0, 0], jnp.uint8)[::-1], jnp.float32)
        return apart, together, one

    same(f, x, parts, x64=True, exact=True)


def test_upper_halves_of_products():
    with jax.enable_x64(True):
        x, y = [integers(d, seed=1) for d in INTEGERS], [integers(d, seed=2) for d in INTEGERS]

    def f(x, y):
        return [(lax.mulhi(a, b), lax.mulhi(a, a[::-1]), lax.mulhi(a[0, 0], b)) for a, b in zip(x, y, strict=True)]

    same(f, x, y, x64=True, exact=True)
