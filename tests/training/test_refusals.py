"""What is no option's value is refused by name before anything is compiled, of one run as of many members."""

import jax
import numpy as np
import pytest

import jaxbm
from jaxbm.members.fit_members import prepare
from jaxbm.run.training import Training

X = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.float32)
SHARES = np.eye(3, dtype=np.float32)[np.arange(12) % 3]
KEY, MODEL, THREE = jax.random.key(0), jaxbm.MLP((3, 4, 1)), jaxbm.MLP((3, 4, 3))
BINARY = "sigmoid_binary_cross_entropy"


def run(many, options):
    given = {"loss": BINARY, "y": Y, "model": MODEL} | options
    y, model = given.pop("y"), given.pop("model")
    return prepare(KEY, model, X, y, Training(**given), 2) if many else jaxbm.fit(KEY, model, X, y, **given)


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"validation_split": "a"}, "validation_split: expected a number, got 'a'"),
        ({"validation_split": None}, "validation_split: expected a number, got None"),
        ({"validation_data": 3}, r"validation_data: expected \(x, y\) or \(x, y, weight\), got int"),
        ({"metrics": 3}, "metrics: expected names, or functions by name, got 3"),
        ({"metrics": None}, "metrics: expected names, or functions by name, got None"),
        ({"metrics": {"mine": 3}}, r"metrics: expected a function \(logits, labels, weights\) for 'mine', got 3"),
        ({"epochs": 2**31}, "epochs: expected 1 to 2147483647, got 2147483648"),
        ({"shuffle": "no"}, "shuffle: expected True or False, got 'no'"),
        ({"loss": "softmax_cross_entropy", "model": THREE, "y": -SHARES},
         r"y: expected labels that are not negative for loss='softmax_cross_entropy', got -1.0 at \[0, 0\]"),
        ({"loss": "softmax_cross_entropy", "model": THREE, "y": SHARES / 2, "metrics": ["accuracy"]},
         r"y: expected one-hot rows for metric 'accuracy', got another at \[0\] \(12 in all\)"),
    ],
)  # fmt: skip
def test_it_is_named_with_what_was_expected(options, match, many):
    with pytest.raises((TypeError, ValueError), match=match):
        run(many, options)


@pytest.mark.parametrize("params", [3, [1], {"weight": 1}, None])
def test_parameters_of_another_kind(params):
    with pytest.raises(ValueError, match="params: expected a Dense for each layer"):
        MODEL.check_params(params)
    with pytest.raises(ValueError, match=r"labels: expected one-hot rows: .*, got another at \[0\]"):
        jaxbm.metrics.for_labels("accuracy", "distribution")(np.eye(3, dtype=np.float32), np.full((3, 3), 0.3), None)
