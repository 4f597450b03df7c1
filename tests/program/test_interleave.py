"""Long chains of operations are written by turns, which changes neither what is computed nor a single bit of it."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxbm
from jaxbm.kernels.program import control, nests
from jaxbm.kernels.program.interleave import interleaved
from jaxbm.kernels.program.text import Module
from jaxbm.kernels.program.types import F32, I64, PTR


def function():
    return Module().function("run", [("p", PTR), ("n", I64)])


def chain(f, at):
    def write():
        x = f.load(f.params[0], F32, at)
        for _ in range(3):
            x = f.fadd(x, f.fmul(x, x))
        return x

    return write


def operations(f):
    return re.findall(r" = (load|fmul|fadd|getelementptr|icmp|phi)\b", f.text())


def test_chains_take_turns():
    f = function()
    a, b = interleaved(f, [chain(f, 0), chain(f, 1)])
    assert a.text != b.text
    # The second has one line more: the address of its element.
    assert operations(f)[:7] == ["load", "getelementptr", "fmul", "load", "fadd", "fmul", "fmul"]


def test_what_a_chain_has_of_an_earlier_one_stands_before_it():
    f = function()
    shared = f.load(f.params[0], F32)
    start = f.position()
    square = lambda: f.fmul(shared, shared)  # noqa: E731
    interleaved(
        f, [lambda: f.fadd(f.fmul(f.fadd(shared, square()), shared), shared), lambda: f.fadd(square(), square())]
    )
    known = {shared.text, "%p"}
    for line in f.written(start, f.position()):
        name, read = line.strip().split(" = ")
        assert set(re.findall(r"%\w+", read)) <= known
        known.add(name)


def stores(f):
    f.store(f.constant(F32, 1.0), f.params[0])
    f.load(f.params[0], F32)


def branches(f):
    yes = f.params[1].compare("slt", f.constant(I64, 3))
    control.choose(f, yes, lambda: [f.load(f.params[0], F32, 1)], lambda: [f.constant(F32, 2.0)])


@pytest.mark.parametrize("write", [stores, branches])
def test_what_branches_or_stores_stays_in_order(write):
    f, g = function(), function()
    write(f)
    write(f)
    interleaved(g, [lambda: write(g), lambda: write(g)])
    assert f.text() == g.text()


def long_chains(x):
    y = jnp.log1p(jnp.exp(-jnp.abs(x)))
    return y, y.sum(0), y.sum(1), jnp.sin(x) / x[0, 0], jnp.stack([jnp.tanh(v) for v in jnp.unstack(x[0, :37])])


@pytest.mark.parametrize(("shape", "dtype"), [((1, 37), "float32"), ((5, 131), "float32"), ((3, 64), "float64")])
def test_bits_are_those_of_one_chain_after_another(shape, dtype, monkeypatch):
    with jax.enable_x64(True):
        x = jnp.asarray(np.random.default_rng(0).normal(size=shape), dtype)
        by_turns = jaxbm.accelerate(long_chains, require=True)(x)
        monkeypatch.setattr(nests, "AT_ONCE", 1)
        apart = jaxbm.accelerate(lambda x: long_chains(x), require=True)(x)
    for a, b in zip(by_turns, apart, strict=True):
        np.testing.assert_array_equal(a, b)
