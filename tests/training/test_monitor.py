"""What says which epoch is the best: any recorded value, with its direction, by the kernel as without it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxbm
from jaxbm.kernels import native

IMPLEMENTATIONS = ["xla", pytest.param("cpu", marks=pytest.mark.skipif(
    native.native().reason is not None, reason="the kernels are not compiled here"))]  # fmt: skip
rng = np.random.default_rng(0)
X = rng.normal(size=(80, 4)).astype(np.float32)
Y = (X[:, 0] + 0.5 * rng.normal(size=80) > 0).astype(np.float32)
KEY, MODEL = jax.random.key(2), jaxbm.MLP((4, 8, 1))
RUN = {"loss": "sigmoid_binary_cross_entropy", "epochs": 12, "optimizer": jaxbm.adam(0.03), "batch_size": 16}


def first_best(values, greater, min_delta=0.0):
    """The epoch that early stopping calls the best, one after another."""
    best, at = -np.inf if greater else np.inf, 0
    for epoch, value in enumerate(values):
        if (value > best + min_delta) if greater else (value < best - min_delta):
            best, at = value, epoch
    return at


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize(
    ("monitor", "mode"),
    [
        ("val_accuracy", "auto"), ("loss", "auto"), ("val_loss", "auto"), ("val_brier_score", "auto"),
        ("accuracy", "min"), ("val_loss", "max"),
    ],
)  # fmt: skip
def test_the_best_epoch_is_that_of_the_monitored_value(implementation, monitor, mode):
    options = RUN | {"metrics": ["accuracy", "brier_score"], "validation_split": 0.4}
    result = jaxbm.fit(
        KEY, MODEL, X, Y, monitor=monitor, monitor_mode=mode, patience=99, implementation=implementation, **options
    )
    greater = mode == "max" or (mode == "auto" and "accuracy" in monitor)
    best = first_best(np.asarray(result.history[monitor]), greater)
    assert int(result.best_epoch) == best
    # the parameters are those of that epoch: a run that ends there gives them
    there = jaxbm.fit(KEY, MODEL, X, Y, implementation=implementation, **{**options, "epochs": best + 1})
    np.testing.assert_allclose(result.params[0].weight, there.params[0].weight, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_training_stops_on_its_own_loss_with_a_least_improvement(implementation):
    options = RUN | {"epochs": 60, "validation_split": 0.25, "patience": 3, "min_delta": 0.01}
    result = jaxbm.fit(KEY, MODEL, X, Y, monitor="loss", implementation=implementation, **options)
    ran, losses = int(result.epochs_run), np.asarray(result.history["loss"])
    assert 4 < ran < 60
    assert first_best(losses[:ran], False, 0.01) == ran - 4 == int(result.best_epoch)


def test_both_ways_stop_in_the_same_epoch():
    if native.native().reason is not None:
        pytest.skip("the kernels are not compiled here")
    options = RUN | {"epochs": 40, "metrics": ["roc_auc"], "validation_split": 0.4, "patience": 2}
    one, other = (
        jaxbm.fit(KEY, MODEL, X, Y, monitor="val_roc_auc", implementation=name, **options) for name in ("cpu", "xla")
    )
    assert int(one.epochs_run) == int(other.epochs_run) < 40
    assert int(one.best_epoch) == int(other.best_epoch)


def test_members_have_the_best_epoch_that_they_have_alone():
    options = RUN | {"metrics": ["accuracy"], "validation_split": 0.4, "monitor": "val_accuracy", "patience": 4}
    many = jaxbm.fit_members(KEY, MODEL, X, Y, members=3, **options)
    for k in range(3):
        one = jaxbm.fit(jax.random.fold_in(KEY, k), MODEL, X, Y, **options)
        assert int(many.best_epoch[k]) == int(one.best_epoch)
    seen = []
    jaxbm.fit_members(KEY, MODEL, X, Y, members=3, progress=seen.append, **options)
    assert 0 < seen[-1].best_value <= 1


def test_without_validation_the_loss_of_training_stands_in():
    result = jaxbm.fit(KEY, MODEL, X, Y, patience=99, **RUN)
    assert int(result.best_epoch) == first_best(np.asarray(result.history["loss"]), False)


def own(logits, labels, weights):
    return jnp.mean(jnp.abs(logits - labels))


def test_a_metric_of_ones_own_needs_its_direction():
    options = RUN | {"metrics": {"own": own}, "validation_split": 0.4, "monitor": "val_own"}
    with pytest.raises(ValueError, match="monitor_mode: expected 'min' or 'max' for your own metric 'own'"):
        jaxbm.fit(KEY, MODEL, X, Y, **options)
    result = jaxbm.fit(KEY, MODEL, X, Y, monitor_mode="min", patience=99, **options)
    assert int(result.best_epoch) == first_best(np.asarray(result.history["val_own"]), False)


@pytest.mark.parametrize(
    ("given", "match"),
    [
        (
            {"monitor": "val_accuracy"},
            r"monitor: expected one of what the run records, \['loss'\], got 'val_accuracy'",
        ),
        ({"monitor": "accuracy"}, "monitor: expected one of what the run records"),
        ({"monitor_mode": "greatest"}, "monitor_mode: expected 'auto', 'min' or 'max', got 'greatest'"),
    ],
)
def test_an_unknown_monitor_is_an_error(given, match):
    with pytest.raises(ValueError, match=match):
        jaxbm.fit(KEY, MODEL, X, Y, **RUN, **given)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_where_the_monitored_value_never_is_a_number_the_last_epoch_is_kept(implementation, value):
    # an AUC of one class is NaN; the squares of a target of 1e30 are infinite
    if np.isnan(value):
        options = {"metrics": ["roc_auc"], "monitor": "val_roc_auc"}
        held_out = X[:10], np.ones(10, np.float32)
    else:
        options, held_out = {"loss": "squared_error"}, (X[:10], np.full(10, 1e30, np.float32))
    options = RUN | {"epochs": 5, "implementation": implementation} | options
    result = jaxbm.fit(KEY, MODEL, X, Y, validation_data=held_out, patience=3, **options)
    assert not np.isfinite(result.history[options.get("monitor", "val_loss")]).any()
    ran = int(result.epochs_run)
    assert (ran, int(result.best_epoch)) == (3, 2)
    trained = jaxbm.fit(KEY, MODEL, X, Y, **{**options, "monitor": "val_loss", "epochs": ran})
    np.testing.assert_allclose(result.params[0].weight, trained.params[0].weight, rtol=1e-5, atol=1e-6)
