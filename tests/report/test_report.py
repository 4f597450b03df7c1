"""The reports' metrics on the host are those of `jaxbm.metrics`."""

import jax
import numpy as np
import pytest

from jaxbm import metrics
from jaxbm.report import terminal

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("classes", [2, 4])
def test_class_metrics_agree_with_our_own(classes):
    logits = RNG.normal(size=(300, 1 if classes == 2 else classes)).astype(np.float32)
    labels = RNG.integers(0, classes, 300)
    got = terminal.class_metrics(terminal.probabilities(logits), labels)
    squeezed = logits[:, 0] if classes == 2 else logits
    own = jax.jit(lambda scores: {name: metrics.metric(name)(scores, labels, None) for name in got})(squeezed)
    for name, value in got.items():
        assert value == pytest.approx(float(own[name]), abs=2e-6), name


def test_a_class_that_does_not_occur():
    p = terminal.probabilities(RNG.normal(size=(50, 3)))
    got = terminal.class_metrics(p, np.repeat([0, 2], 25))
    assert np.isnan(got.pop("roc_auc"))
    assert np.isfinite(list(got.values())).all()
    alone = terminal.class_metrics(terminal.probabilities(np.ones((5, 1))), np.ones(5, int))
    assert alone["accuracy"] == alone["balanced_accuracy"] == alone["f1"] == 1
    assert np.isnan(alone["roc_auc"])


def test_regression_metrics_by_hand():
    got = terminal.regression_metrics(np.asarray([1.0, 2.0, 5.0]), np.asarray([1.0, 2.0, 3.0]))
    assert got == pytest.approx({"mse": 4 / 3, "rmse": np.sqrt(4 / 3), "mae": 2 / 3, "r2": -1.0})
    assert np.isnan(terminal.regression_metrics(np.ones(1), np.ones(1))["r2"])


def test_probabilities_of_huge_logits():
    np.testing.assert_array_equal(terminal.probabilities(np.asarray([[1e30], [-1e30]])), [[0, 1], [1, 0]])


def test_a_plot_is_written(tmp_path):
    terminal.plot_history({"loss": np.asarray([1.0, 0.5]), "val_loss": np.asarray([1.1, 0.7])}, tmp_path / "h.png")
    assert (tmp_path / "h.png").read_bytes()[:4] == b"\x89PNG"
