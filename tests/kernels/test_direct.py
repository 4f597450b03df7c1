"""Calls of the compiled kernels without JAX: the same bits as with it, from any thread, and errors that say what is
wrong."""

import copy
from concurrent.futures import ThreadPoolExecutor

import jax
import numpy as np
import pytest

import jaxbm
from jaxbm.estimators import JaxMLPRegressor
from jaxbm.kernels import direct
from jaxbm.kernels.mlp import few
from jaxbm.kernels.native import library

pytestmark = pytest.mark.skipif(
    not hasattr(library(), "jaxbm_direct_call"), reason="the kernels were not compiled, or from an earlier version"
)
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(60, 4)), RNG.normal(size=(60, 3))


def _fitted(solver, members, calls=3, rows=X):
    model = JaxMLPRegressor(hidden_layer_sizes=(6, 5), solver=solver, members=members, batch_size=16, random_state=0)
    for _ in range(calls):
        model.partial_fit(rows, Y)
    return model


@pytest.mark.parametrize(("solver", "members"), [("adam", 1), ("sgd", 2)])
def test_an_epoch_without_jax_is_that_with_it(monkeypatch, solver, members):
    ours = _fitted(solver, members)
    strided = _fitted(solver, members, rows=np.asfortranarray(X.astype(np.float32)).astype(np.float64))
    monkeypatch.setattr(direct, "call", lambda *described: None)
    theirs = _fitted(solver, members)
    for one, two, three in zip(ours.coefs_, theirs.coefs_, strided.coefs_, strict=True):
        np.testing.assert_array_equal(one, two)
        np.testing.assert_allclose(one, three, rtol=1e-4, atol=1e-5)
    assert ours.loss_curve_ == theirs.loss_curve_


def test_weights_of_any_layout_are_taken():
    plain, turned = _fitted("adam", 1, calls=2), _fitted("adam", 1, calls=2)
    turned.coefs_ = [np.asfortranarray(w.astype(np.float32)) for w in turned.coefs_]
    np.testing.assert_array_equal(plain.partial_fit(X, Y).coefs_[0], turned.partial_fit(X, Y).coefs_[0])


@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("rows", [1, 9])
def test_a_few_rows_without_jax_are_those_with_it(monkeypatch, use_bias, rows):
    model = jaxbm.MLP((4, 6, 2), use_bias=use_bias)
    params = model.init(jax.random.key(0))
    x = np.asfortranarray(X[:rows].astype(np.float32))
    assert few.logits(model, params, np.ascontiguousarray(x)) is not None
    found = jaxbm.predict(model, params, x)
    monkeypatch.setattr(few, "logits", lambda *given: None)
    np.testing.assert_array_equal(found, jaxbm.predict(model, params, x))


def test_what_does_not_fit_is_told_as_ever():
    model = jaxbm.MLP((4, 6, 2))
    other = jaxbm.MLP((4, 5, 2)).init(jax.random.key(0))
    x = X[:1].astype(np.float32)
    for params in (other, other[:1], "text", [1], None):
        with pytest.raises((ValueError, TypeError), match="params"):
            jaxbm.predict(model, params, x)
    with jax.debug_nans(True), pytest.raises(FloatingPointError):
        jaxbm.predict(model, model.init(jax.random.key(0)), np.full_like(x, np.nan))


def test_a_call_that_does_not_fit_says_so():
    shape = direct.shape_of(np.zeros(2, np.float32))
    call = direct.call("jaxbm_apply", (("lead", 0), ("sizes", (2, 1))), (shape,), (shape,))
    place = np.zeros(2, np.float32)
    with pytest.raises(ValueError, match=r"jaxbm|ttribute"):
        call(*direct.addresses([place, place]))
    assert direct.call("jaxbm_adam", (), (shape,), (shape,)) is None


def test_threads_call_at_once():
    model = _fitted("adam", 1)
    alone = [model.predict(X[i : i + 1]) for i in range(60)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda i: model.predict(X[i : i + 1]), range(60)))
        fits = list(pool.map(lambda _: _fitted("adam", 1).loss_, range(4)))
    np.testing.assert_array_equal(alone, together)
    assert len(set(fits)) == 1


def test_a_copy_keeps_what_it_has_while_the_first_goes_on():
    first = _fitted("adam", 1)
    shallow, deep, left = copy.copy(first), copy.deepcopy(first), [w.copy() for w in first.coefs_]
    held = first.coefs_
    for _ in range(3):
        first.partial_fit(X, Y)
    np.testing.assert_array_equal(held[0], left[0])  # an array that was looked at is nobody's place to train in
    for other in (shallow, deep):
        other.partial_fit(X, Y).partial_fit(X, Y).partial_fit(X, Y)
        for one, two in zip(first.coefs_, other.coefs_, strict=True):
            np.testing.assert_array_equal(one, two)
