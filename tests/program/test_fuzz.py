"""Programs made at random, compiled with every access checked, against JAX."""

import jax
import programs
import pytest

import jaxbm

QUICK, MANY = range(6), range(6, 40)


@pytest.fixture(autouse=True)
def _double_precision(monkeypatch):
    monkeypatch.setenv("JAXBM_CHECK", "1")
    with jax.enable_x64(True):
        yield


def check(seed, steps=8):
    args = programs.arguments(seed)
    f = programs.program(seed, steps)
    got = jax.block_until_ready(jaxbm.accelerate(f, require=True)(*args))
    try:
        programs.compare(got, jax.jit(f)(*args))
    except AssertionError:
        # XLA updates a small array in place while it still reads it (x[:3][::-1] written into x): one by one it is
        # right.
        programs.compare(got, f(*args))


@pytest.mark.parametrize("seed", QUICK)
def test_random_programs(seed):
    check(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", MANY)
def test_more_random_programs(seed):
    check(seed, steps=8 + seed % 5)
