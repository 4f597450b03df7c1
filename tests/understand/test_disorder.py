"""Values in other places as differences in the first layer, and rows that are written out."""

import jax
import numpy as np
import pytest

import jaxbm
from jaxbm import understand
from jaxbm.understand import disorder
from jaxbm.understand.predictor import predictor_of

X = np.random.default_rng(0).normal(size=(90, 5)).astype(np.float32)
Y = (X[:, 0] + X[:, 1] * X[:, 2] > 0).astype(np.float32)


def network(sizes, activation, members=0):
    model = jaxbm.MLP(sizes, activation=activation)
    if not members:
        return model, model.init(jax.random.key(0))
    return jaxbm.Ensemble(model, jax.vmap(model.init)(jax.random.split(jax.random.key(0), members)))


@pytest.mark.parametrize(
    ("predictor", "columns"),
    [
        (network((5, 9, 1), "relu"), None),
        (network((5, 9, 1), "tanh"), {"three": [0, 2, 4], "one": [1], "two": [3, 1]}),
        (network((5, 9, 2, 1), ("sigmoid", "tanh")), [3]),
        (network((5, 9, 1), "relu", members=3), None),
    ],
)
def test_both_ways_agree(predictor, columns, monkeypatch):
    weight = np.random.default_rng(1).uniform(size=len(X))
    call = {"metric": "log_loss", "repeats": 3, "columns": columns, "sample_weight": weight}
    key = jax.random.key(1)
    monkeypatch.setattr(disorder, "BLOCK_UNIT", 3 * 40)  # several blocks of rows, the last one not full
    monkeypatch.setattr(disorder, "BLOCK_OUTPUTS", 2 * 3 * 90 * 3)  # several calls, the last one not full
    ways = []
    ours = disorder.logits_of_disorder
    monkeypatch.setattr(disorder, "logits_of_disorder", lambda *given: (ways.append(1), ours(*given))[1])
    got = understand.permutation_importance(key, predictor, X, Y, **call)
    assert ways
    monkeypatch.setattr(disorder, "slower", lambda *_: "for this test")
    want = understand.permutation_importance(key, predictor, X, Y, **call)
    np.testing.assert_allclose(got.importances, want.importances, rtol=0, atol=1e-6)
    assert got.baseline == want.baseline
    assert np.abs(want.importances).max() > 1e-3


@pytest.mark.parametrize(
    ("predictor", "rows", "reason"),
    [
        (network((5, 9, 3), "relu"), X, "many outputs"),
        (network((5, 1), "relu"), X, "no MLP with hidden layers"),
        (network((5, 9, 1), "gelu"), X, "gelu takes an error function, which costs more"),
        (network((5, 9, 1), "relu"), np.where(X > 2, np.float32(np.nan), X), "not finite"),
    ],
)
def test_what_is_asked_row_by_row(predictor, rows, reason):
    assert reason in disorder.slower(predictor_of(predictor), rows, [[0], [1]])
    assert (
        disorder.slower(predictor_of(network((5, 9, 1), "relu")), X, [list(range(17))])
        == "a column has many features"
    )
