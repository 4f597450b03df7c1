"""Values in other places as differences in the first layer, and rows that are written out."""

from functools import partial

import jax
import numpy as np
import pytest

import jaxbm
from jaxbm import understand
from jaxbm.kernels.choice import off
from jaxbm.kernels.mlp import behind, shifted
from jaxbm.models.activations import ACTIVATIONS
from jaxbm.understand import disorder
from jaxbm.understand.predictor import predictor_of

kernels = pytest.mark.skipif(off() is not None, reason="without the compiled kernels")
X = np.random.default_rng(0).normal(size=(90, 5)).astype(np.float32)
Y = (X[:, 0] + X[:, 1] * X[:, 2] > 0).astype(np.float32)


def network(sizes, activation, members=0):
    model = jaxbm.MLP(sizes, activation=activation)
    if not members:
        return model, model.init(jax.random.key(0))
    return jaxbm.Ensemble(model, jax.vmap(model.init)(jax.random.split(jax.random.key(0), members)))


def asked_both_ways(predictor, monkeypatch, **call):
    """The importance by differences, and by rows that are written out."""
    key = jax.random.key(1)
    classes = predictor_of(predictor, "classification").kind.model.n_outputs
    y = Y if classes == 1 else np.random.default_rng(2).integers(0, classes, len(X))
    ways = []
    ours = disorder.logits_of_disorder
    with monkeypatch.context() as patched:
        patched.setattr(disorder, "BLOCK_UNIT", 3 * 40)  # several blocks of rows, the last one not full
        patched.setattr(disorder, "BLOCK_OUTPUTS", 2 * 3 * 90 * 3)  # several calls, the last one not full
        patched.setattr(disorder, "logits_of_disorder", lambda *given: (ways.append(1), ours(*given))[1])
        got = understand.permutation_importance(key, predictor, X, y, repeats=3, **call)
        assert ways
        patched.setattr(disorder, "slower", lambda *_: "for this test")
        return got, understand.permutation_importance(key, predictor, X, y, repeats=3, **call)


def agree(got, want):
    np.testing.assert_allclose(got.importances, want.importances, rtol=0, atol=1e-6)
    assert got.baseline == want.baseline
    assert np.abs(want.importances).max() > 1e-3


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize(
    ("predictor", "columns"),
    [
        (network((5, 9, 1), "relu"), None),
        (network((5, 9, 1), "tanh"), {"three": [0, 2, 4], "one": [1], "two": [3, 1]}),
        (network((5, 9, 2, 1), ("sigmoid", "tanh")), [3]),
        (network((5, 9, 1), "relu", members=3), None),
    ],
)
def test_both_ways_agree(predictor, columns, native, monkeypatch):
    if not native:
        monkeypatch.setattr(shifted, "slower", lambda *_: "for this test")
    weight = np.random.default_rng(1).uniform(size=len(X))
    agree(*asked_both_ways(predictor, monkeypatch, metric="log_loss", columns=columns, sample_weight=weight))


@kernels
@pytest.mark.parametrize(
    ("predictor", "columns"),
    [
        (network((5, 70, 37, 20), ("tanh", "relu")), None),
        (network((5, 9, 3), "gelu"), {"three": [0, 2, 4], "one": [1]}),
        (network((5, 9, 33, 2), ("elu", "softplus"), members=2), None),
    ],
)
def test_the_kernel_takes_what_a_sum_over_units_does_not_pay_for(predictor, columns, monkeypatch):
    agree(*asked_both_ways(predictor, monkeypatch, metric="log_loss", columns=columns))


@pytest.mark.parametrize(
    ("predictor", "rows", "reason"),
    [
        (network((5, 9, 3), "relu"), X, "many outputs"),
        (network((5, 1), "relu"), X, "no MLP with hidden layers"),
        (network((5, 9, 1), "gelu"), X, "gelu takes an error function, which costs more"),
        (network((5, 9, 1), "relu"), np.where(X > 2, np.float32(np.nan), X), "not finite"),
    ],
)
def test_what_is_asked_row_by_row(predictor, rows, reason, monkeypatch):
    monkeypatch.setattr(shifted, "slower", lambda *_: "for this test")
    assert reason in disorder.slower(predictor_of(predictor), rows, [[0], [1]])
    few = predictor_of(network((5, 9, 1), "relu"))
    assert disorder.slower(few, X, [list(range(17))]) == "a column has many features"


@kernels
@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("shape", [(70, 5, 1), (1, 1, 3), (19, 8, 17)])
def test_the_kernel_and_its_words(name, shape):
    """The compiled call and its plain JAX: each activation, ragged shapes, amounts for each row and for all."""
    model = jaxbm.MLP((3, *shape), activation=name)
    params = model.init(jax.random.key(0))
    if (reason := shifted.slower(model, params)) is not None:
        return pytest.skip(reason)
    rng = np.random.default_rng(0)
    for rows, amounts in ((101, (6, 2, 101)), (101, (6, 2, 1)), (1, (6, 2, 1)), (0, (2, 1, 0)), (3, (0, 1, 3))):
        base, directions, given = (
            rng.normal(size=size).astype(np.float32) * 2
            for size in ((shape[0], rows), (amounts[0] // 2 or 1, amounts[1], shape[0]), amounts)
        )
        got = jax.jit(partial(shifted.shifted, model))(params, base, directions, given)
        layers = [leaf for layer in params[1:] for leaf in (layer.weight, layer.bias)]
        if not amounts[0]:
            assert got.shape == (0, rows, shape[-1])
            continue
        want = behind.plain(model, shifted.affine(given, directions, base), layers)
        np.testing.assert_allclose(got, want, rtol=2e-5, atol=2e-5)
        assert got.shape == (amounts[0], rows, shape[-1])
