"""Special functions that are written with others, against SciPy and jax.jit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
from contract import checked, reference
from jax import lax

import jaxbm

UNITS = {np.float32: 2, np.float64: 16}
"""Units in the last place: of float64 SciPy is as far off as we are."""
ODD = np.array([0.0, -0.0, 1.0, -1.0, 2.0, 3.0, 2.5, -2.0, -3.0, 0.5, np.inf, -np.inf, np.nan])


def values(a, b, x):
    return {
        "bessel_i0e": lax.bessel_i0e(x),
        "bessel_i1e": lax.bessel_i1e(x),
        "digamma": lax.digamma(b),
        "zeta": lax.zeta(a, b),
        "polygamma": lax.polygamma(jnp.floor(a), b),
        "digamma's derivative": jax.vmap(jax.grad(lax.digamma))(b),
    }


@pytest.fixture(scope="module")
def native():
    return jaxbm.accelerate(values, require=True)


@pytest.mark.parametrize("dtype", UNITS)
def test_values(native, dtype):
    rng = np.random.default_rng(0)
    a = (1 + np.concatenate([10.0 ** rng.uniform(-2, 1, 60), np.arange(1, 13)])).astype(dtype)
    b = (10.0 ** rng.uniform(-2, 3, a.size)).astype(dtype)
    x = np.concatenate([10.0 ** rng.uniform(-9, 3, 40), -rng.uniform(0, 20, a.size - 40)]).astype(dtype)
    with jax.enable_x64(True), checked():
        got = native(a, b, x)
    a, b, x = (v.astype(np.float64) for v in (a, b, x))
    expected = {
        "bessel_i0e": scipy.special.i0e(x),
        "bessel_i1e": scipy.special.i1e(x),
        "digamma": scipy.special.digamma(b),
        "zeta": scipy.special.zeta(a, b),
        "polygamma": scipy.special.polygamma(np.floor(a).astype(int), b),
        "digamma's derivative": scipy.special.polygamma(1, b),
    }
    for name, want in expected.items():
        assert got[name].dtype == dtype
        ordinary = np.abs(want) > np.finfo(dtype).tiny
        unit = np.spacing(np.abs(want[ordinary]).astype(dtype)).astype(np.float64)
        off = np.abs(np.asarray(got[name], np.float64)[ordinary] - want[ordinary]) / unit
        assert off.max() <= UNITS[dtype], name


def test_what_is_not_defined_is_what_xla_makes_of_it(native):
    a, b = (v.ravel().astype(np.float32) for v in np.meshgrid(ODD, ODD))
    got, want = native(a, b, a), reference(values)(a, b, a)
    for name in ("bessel_i0e", "bessel_i1e", "digamma", "zeta", "polygamma"):
        np.testing.assert_allclose(got[name], want[name], 1e-4, 1e-30, err_msg=name)


def test_bessel_functions_in_double_precision_are_within_two_units():
    mp = pytest.importorskip("mpmath")
    rng = np.random.default_rng(1)
    near = np.arange(1.0, 33)
    x = np.concatenate([rng.uniform(0, 34, 60), 10.0 ** rng.uniform(-9, 5, 30), near, np.nextafter(near, 0)])
    with jax.enable_x64(True):
        got = jaxbm.accelerate(lambda x: (lax.bessel_i0e(x), lax.bessel_i1e(-x)), require=True)(x)
    with mp.workdps(40):
        for order, out in enumerate(got):
            wanted = [(-1) ** order * mp.besseli(order, v) * mp.exp(-v) for v in map(mp.mpf, map(float, x))]
            units = [abs(v - w) / np.spacing(abs(float(w))) for v, w in zip(map(float, out), wanted, strict=True)]
            assert max(units) < 2, order
