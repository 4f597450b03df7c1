"""Results at a prompt: arrays by type and shape, in few lines, traced ones too."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxbm
from jaxbm.core.brief import brief

KEY = jax.random.key(0)
X = np.random.default_rng(0).normal(size=(60, 3)).astype("float32")
Y = (X[:, 0] > 0).astype("float32")
RUN = {"loss": "sigmoid_binary_cross_entropy", "epochs": 2}
MODEL = jaxbm.MLP((3, 200, 1))


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (jnp.ones((2, 3)), "float32[2, 3]"),
        (np.float32(0.5), "0.5"),
        (KEY, "key<fry>[]"),
        (np.asarray(["a", "b"]), "<U1[2]"),
        (tuple(range(9)), "(0, 1, 2, 3, 4, 5, ... 9 in all)"),
        ({k: k for k in range(7)}, "{0: 0, 1: 1, 2: 2, 3: 3, 4: 4, 5: 5, ... 7 in all}"),
        (MODEL.init(KEY)[0], "Dense(weight=float32[3, 200], bias=float32[200])"),
        (jaxbm.MLP, "<class 'jaxbm.models.mlp.MLP'>"),
    ],
)
def test_what_a_value_is_told_as(value, told):
    assert brief(value) == told


def test_results_are_shown_without_their_numbers():
    fitted = jaxbm.fit(KEY, MODEL, X, Y, **RUN)
    members = jaxbm.fit_members(KEY, MODEL, X, Y, members=3, **RUN)
    results = {
        "FitResult": fitted,
        "MembersResult": members,
        "Ensemble": jaxbm.Ensemble.of(members),
        "CrossValidation": jaxbm.cross_validate(KEY, MODEL, X, Y, folds=3, **RUN),
        "GroupsResult": jaxbm.fit_groups(KEY, MODEL, X, Y, ["a", "b"] * 30, **RUN),
        "SweepResult": jaxbm.sweep({"l2": [0.0, 0.1]}, KEY, MODEL, X, Y, **RUN),
        "PermutationImportance": jaxbm.understand.permutation_importance(
            KEY, (MODEL, fitted.params), X, Y, metric="accuracy"
        ),
    }
    for name, result in results.items():
        text = repr(result)
        assert text.startswith(f"{name}(")
        assert len(text) < 2000
        assert "array(" not in text.lower()
    assert "history={'loss': float32[2]}" in repr(fitted)
    assert "epochs_run=2" in repr(fitted)


def test_a_traced_result_is_shown_too():
    shown = []
    jax.jit(lambda key: shown.append(repr(jaxbm.fit(key, MODEL, X, Y, **RUN))))(KEY)
    assert "epochs_run=int32[]" in shown[0]
