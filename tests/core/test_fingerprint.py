"""What a folder knows a run by: numbers and functions count, nothing that changes from process to process does."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from support.children import python

import jaxbm
from jaxbm.core.fingerprint import fingerprint
from jaxbm.run.option import EXECUTION
from jaxbm.run.options import OPTIONS
from jaxbm.run.training import Training

X, KEY = np.random.default_rng(0).normal(size=(90, 5)).astype(np.float32), jax.random.key(3)


def test_it_sees_every_option_that_decides_a_run():
    def told(**given):
        return fingerprint(Training(**{"loss": "squared_error", **given}).decisive())

    decisive = [name for name, option in OPTIONS.items() if option.role != EXECUTION]
    seen = [told(), *(told(**{name: "another value"}) for name in decisive)]
    seen += [
        told(optimizer=one) for one in (jaxbm.adam(0.1), jaxbm.adam(0.2), jaxbm.adam(0.2, b1=0.8), jaxbm.sgd(0.1))
    ]
    seen += [told(optimizer=optax.adam(0.1)), told(optimizer=optax.adam(0.2))]
    seen += [told(validation_data=(X, X)), told(validation_data=(X, X + 1)), told(class_weight={0: 2.0, 1: 1.0})]
    assert len(set(seen)) == len(seen) > 25


def test_it_sees_numbers_inside_functions():
    def closed(rate, power=1):
        return lambda x: closed and rate * x**power

    assert fingerprint(closed(1)) == fingerprint(closed(1)) != fingerprint(closed(2))
    assert fingerprint(optax.adam(1e-3)) == fingerprint(optax.adam(1e-3)) != fingerprint(optax.adam(2e-3))
    assert fingerprint(X) == fingerprint(jnp.asarray(X)) != fingerprint(X + 1)
    assert fingerprint(KEY) != fingerprint(jax.random.key(4))
    assert fingerprint({"a": 1}) != fingerprint({"a": True}) != fingerprint({"b": True})
    assert fingerprint([1, [2]]) != fingerprint([1, 2]) != fingerprint((1, 2))


CODE = """
import optax, jaxbm
from jaxbm.core.fingerprint import fingerprint
schedule = jaxbm.adam(optax.cosine_decay_schedule(0.02, 40))
told = fingerprint(optax.adam(optax.exponential_decay(0.1, 3, 0.5)), schedule, jaxbm.losses.squared_error, {1, "a"})
"""


def test_another_process_gives_the_same():
    here = {}
    exec(CODE, here)
    there = python("-c", CODE + "print(told)", PYTHONHASHSEED="7")
    assert there.stdout.strip() == here["told"]
