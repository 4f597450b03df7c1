"""What measures the cost model's judgement."""

import itertools

import pytest

pytest.importorskip("llvmlite")

import jax.numpy as jnp

from jaxbm.benchmarks.calibration import Call, Measured, calls, measure


def test_a_call_is_measured_both_ways():
    found = measure(Call("one more", lambda x: x + 1, (jnp.arange(3.0),)), rounds=1)
    assert found.is_native
    assert min(found.native, found.by_xla) > 0


def test_what_is_slower_natively_is_told():
    assert Measured(1.0, 0.8, True).is_misjudged
    assert not Measured(1.0, 0.95, True).is_misjudged
    assert not Measured(1.0, 0.5, False).is_misjudged


def test_there_are_loops_and_sizes():
    names = [call.name for call in itertools.islice(calls(), 4)]
    assert names == ["loop of exp", "exp of 1,000", "exp of 30,000", "exp of 300,000"]
