"""Weights of classes among many members: each counts the classes of its own rows, as it would alone."""

import jax
import numpy as np
import pytest
from support.trees import assert_close

import jaxbm
from jaxbm.kernels import native
from jaxbm.members.fit_members import prepare
from jaxbm.run.training import Training

IS_NATIVE = native.native().reason is None
RNG = np.random.default_rng(0)
N = 40
X = RNG.normal(size=(N, 5)).astype(np.float32)
CLASSES = np.digitize(X[:, 0], [0.3, 1.0])
BINARY = (X[:, 0] > 0.5).astype(np.float32)
KEYS = jax.random.split(jax.random.key(3), 4)
LISTS = [np.arange(0, 18), np.arange(4, 15), np.arange(0, 18), np.arange(22, 40)]
OPTIONS = {"class_weight": "balanced", "epochs": 2, "batch_size": 16}

#: What members have of their own, and what they share.
CASES = {
    "lists": (
        {"rows": LISTS, "validation_rows": LISTS[::-1]},
        {"sample_weight": RNG.uniform(0.5, 2, N).astype(np.float32)},
    ),
    "rows": ({"rows": RNG.integers(0, N, (4, 30))}, {"validation_split": 0.2, "metrics": ["accuracy"]}),
    "labels": ({"y": np.stack([CLASSES, CLASSES[::-1], 2 - CLASSES, (CLASSES == 0).astype(int)])}, {}),
    "weights": ({"sample_weight": RNG.uniform(0, 2, (4, N)).astype(np.float32)}, {}),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("implementation", [None, "xla"])
def test_members_count_classes_in_rows_of_their_own(implementation, case):
    own, shared = CASES[case]
    shared = {"y": CLASSES, "loss": "softmax_cross_entropy_with_integer_labels", **OPTIONS, **shared}
    model = jaxbm.MLP((5, 4, 3))
    many = jaxbm.fit_members(KEYS, model, X, implementation=implementation, **shared | own)
    for k in (0, 3) if implementation is None else (3,):
        mine = {name: value[k] for name, value in own.items()}
        one = jaxbm.fit(KEYS[k], model, X, implementation=implementation, **shared | mine)
        assert_close(tuple(many.member(k)), tuple(one), implementation is None and IS_NATIVE)


def test_a_bootstrap_counts_the_rows_that_it_draws():
    options = {"loss": "sigmoid_binary_cross_entropy", "bootstrap": True, **OPTIONS}
    many = jaxbm.fit_members(KEYS, jaxbm.MLP((5, 4, 1)), X, BINARY, rows=LISTS, **options)
    one = jaxbm.fit(KEYS[0], jaxbm.MLP((5, 4, 1)), X, BINARY, rows=LISTS[0], **options)
    assert_close(many.member(0).params, one.params, IS_NATIVE)


def test_given_weights_weigh_no_row_that_is_validated_on():
    options = {"loss": "sigmoid_binary_cross_entropy", "validation_split": 0.3} | OPTIONS | {"class_weight": {1: 3.0}}
    many = jaxbm.fit_members(KEYS, jaxbm.MLP((5, 4, 1)), X, BINARY, **options)
    one = jaxbm.fit(KEYS[2], jaxbm.MLP((5, 4, 1)), X, BINARY, **options)
    assert_close(many.member(2).history, one.history, IS_NATIVE)


def test_weights_of_classes_are_not_written_out_for_every_row_of_every_member():
    rows = [np.arange(k % 2, N, 2) for k in range(4)]
    training = Training(loss="sigmoid_binary_cross_entropy", class_weight="balanced", rows=rows, validation_rows=rows)
    own = prepare(KEYS, jaxbm.MLP((5, 4, 1)), X, BINARY, training).own
    assert max(leaf.size for leaf in jax.tree.leaves(own.data)) == 4 * 2
    count = np.bincount(BINARY[1::2].astype(int))
    np.testing.assert_allclose(own.data.class_weight[1], count.sum() / (2 * count), rtol=1e-6)
    assert own.data.class_weight_val is None  # classes are weighed in training alone
