"""The main calls under JAX's settings: guarded transfers, NaN watched for, strict types and ranks, meshes, checks."""

import contextlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import checkify
from jax.sharding import AxisType, NamedSharding, PartitionSpec

import jaxbm
from jaxbm.kernels import native

IMPLEMENTATIONS = ["xla", pytest.param("cpu", marks=pytest.mark.skipif(
    native.native().reason is not None, reason="the kernels are not compiled here")), pytest.param(
    "program", marks=pytest.mark.skipif(
        jaxbm.kernels.status()["program"][:2] != "on", reason="native functions need llvmlite"))]  # fmt: skip
RNG = np.random.default_rng(0)
X = RNG.normal(size=(24, 3)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.float32)
W = np.linspace(0.5, 1, 24, dtype=np.float32)
KEY, MODEL, BINARY = jax.random.key(0), jaxbm.MLP((3, 4, 1)), "sigmoid_binary_cross_entropy"
RUN = {"loss": BINARY, "epochs": 3, "batch_size": 7}
METRICS = ["accuracy", "f1", "roc_auc", "log_loss", "calibration_error"]
SPLIT, PARTED, WHOLE = {"validation_split": 0.25, "patience": 1}, PartitionSpec("i"), PartitionSpec()


def fitted(implementation, key, x, y, weight):
    """A run with most of what there is."""
    options = {"metrics": METRICS, "class_weight": "balanced", "l2": 0.1, "clip_norm": 1.0, "dropout": 0.2}
    return jaxbm.fit(key, MODEL, x, y, sample_weight=weight, implementation=implementation, **RUN, **SPLIT, **options)


def many(implementation, key, x, y, weight):
    optimizer = jaxbm.adam(jnp.full(2, 0.1) + 0 * jnp.asarray(y).sum())
    rest = {"members": 2, "bootstrap": True, "metrics": ["accuracy"], "sample_weight": weight, "optimizer": optimizer}
    return tuple(jaxbm.fit_members(key, MODEL, x, y, implementation=implementation, **RUN, **SPLIT, **rest))


CALLS = {"fit": fitted, "fit_members": many}


def traced(name, implementation, *arguments):
    """Everything but compilation: what a setting objects to, it objects to here."""
    return jax.eval_shape(lambda *a: CALLS[name](implementation, *a), *arguments)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("name", sorted(CALLS))
@pytest.mark.parametrize("setting", ["dtype", "rank", "x64"])
def test_types_and_ranks_that_are_never_promoted(name, implementation, setting):
    with contextlib.ExitStack() as stack:
        stack.enter_context(jax.numpy_rank_promotion("raise" if setting == "rank" else "allow"))
        stack.enter_context(jax.numpy_dtype_promotion("standard" if setting == "rank" else "strict"))
        stack.enter_context(jax.enable_x64(setting == "x64"))
        result = traced(name, implementation, KEY, X, Y, W)
        assert {leaf.dtype.name for leaf in jax.tree.leaves(result)} == {"float32", "int32", "bool"}
        if setting == "x64" and implementation == "xla":
            traced(name, implementation, KEY, *(a.astype(np.float64) for a in (X, Y, W)))


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("name", sorted(CALLS))
def test_inside_shard_map_that_checks_what_varies(name, implementation):
    mesh = jax.make_mesh((1,), ("i",), axis_types=(AxisType.Auto,))

    def on_each(key, *rows):
        return jax.tree.map(lambda leaf: leaf[None], tuple(CALLS[name](implementation, key[0], *rows)))

    for specs in ((PARTED, WHOLE, WHOLE, WHOLE), (WHOLE, PARTED, PARTED, PARTED)):
        mapped = jax.shard_map(on_each, mesh=mesh, in_specs=specs, out_specs=PARTED, check_vma=True)
        result = jax.eval_shape(mapped, jax.random.split(KEY, 1), X, Y, W)
        assert all(leaf.shape[0] == 1 for leaf in jax.tree.leaves(result))


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("name", sorted(CALLS))
def test_on_a_mesh_of_explicit_axes(name, implementation):
    mesh = jax.make_mesh((1,), ("i",), axis_types=(AxisType.Explicit,))
    with jax.set_mesh(mesh):
        for spec in (PARTED, WHOLE):
            traced(name, implementation, KEY, *(jax.device_put(a, NamedSharding(mesh, spec)) for a in (X, Y, W)))


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("name", sorted(CALLS))
def test_inside_checkify(name, implementation):
    checked = checkify.checkify(lambda *a: tuple(CALLS[name](implementation, *a)), errors=checkify.user_checks)
    jax.eval_shape(checked, KEY, X, Y, W)


def outputs_and_labels(kind, outputs):
    """Of eight rows, for a loss: three scores, or one, or two, a row."""
    wide, one = RNG.normal(size=(8, 3)).astype(np.float32), RNG.uniform(0.1, 1, 8).astype(np.float32)
    labels = {"class": np.arange(8) % 3, "distribution": np.full((8, 3), 1 / 3, np.float32), "rank": np.arange(8) % 3,
              "group": np.arange(8) % 3, "event": np.stack([one, np.ones_like(one)], 1)}  # fmt: skip
    two = outputs in ("gaussian", "negative binomial")
    return wide[:, :2] if two else wide if kind in labels and kind != "event" else one, labels.get(kind, one)


def measured_directly():
    """Losses with their derivatives, and metrics: what is called without `fit`."""
    for entry in jaxbm.losses.TABLE:
        derived = lambda a, b, f=entry.function: jax.value_and_grad(lambda a: f(a, b).sum())(a)  # noqa: E731
        labels = {"sign": "binary"}.get(entry.labels, entry.labels)
        yield entry.name, derived, outputs_and_labels(labels, entry.outputs)
    classes, one = np.arange(8) % 2, RNG.uniform(0.1, 1, 8).astype(np.float32)
    given = {"crps": RNG.normal(size=(8, 2)).astype(np.float32), "concordance_index": one}
    for entry in jaxbm.metrics.TABLE:
        decided = classes if entry.name in ("accuracy", "balanced_accuracy", "precision", "recall", "f1") else one
        labels = np.stack([one, np.ones_like(one)], 1) if entry.name == "concordance_index" else one
        binary = decided is classes or entry.tasks[:1] == ("binary",) or entry.function.__module__.endswith(
            ("ranking", "probabilities"))  # fmt: skip
        weighed = lambda a, b, f=entry.function: f(a, b, weights=jnp.abs(b.reshape(8, -1)[:, 0]))  # noqa: E731
        yield entry.name, weighed, (given.get(entry.name, decided), classes if binary else labels)


def test_losses_and_metrics_of_rows_on_an_explicit_mesh_and_of_ranks_that_are_never_promoted():
    mesh = jax.make_mesh((1,), ("i",), axis_types=(AxisType.Explicit,))
    for name, function, arrays in measured_directly():
        if name == "multilabel_margin_loss":  # its last axis is one of labels, not of rows
            arrays = tuple(np.stack([a, a], 1) for a in arrays)
        with jax.numpy_rank_promotion("raise"):
            plain = jax.eval_shape(function, *arrays)
        with jax.set_mesh(mesh):
            parted = jax.eval_shape(function, *(jax.device_put(a, NamedSharding(mesh, PARTED)) for a in arrays))
        assert jax.tree.map(jnp.shape, plain) == jax.tree.map(jnp.shape, parted)


def test_what_works_on_the_host_says_so_where_it_is_traced():
    with pytest.raises(TypeError, match="x: expected values, got a traced array"):
        jax.eval_shape(lambda x: jaxbm.predict(MODEL, MODEL.init(KEY), x), X)


@contextlib.contextmanager
def watched():
    with (
        jax.transfer_guard("disallow"),
        jax.debug_nans(True),
        jax.debug_infs(True),
        jax.numpy_rank_promotion("raise"),
    ):
        yield


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_a_run_that_stops_early_is_no_nan_to_be_watched_for(implementation):
    """What is left of its history is NaN."""
    arrays = jax.device_put((KEY, X, Y))
    with watched():
        run = jaxbm.fit(*arrays[:1], MODEL, *arrays[1:], min_delta=1.0, implementation=implementation, **RUN, **SPLIT)
    assert int(run.epochs_run) == 2
    assert np.isnan(run.history["val_loss"]).tolist() == [False, False, True]


def test_guarded_transfers_and_watched_nans(tmp_path):
    key, x, y, weight = jax.device_put((KEY, X, Y, W))
    rates = jax.device_put(np.asarray([0.1, 0.2], np.float32))
    with watched():
        one = jaxbm.fit(key, MODEL, x, y, sample_weight=weight, metrics=METRICS, **RUN, **SPLIT)
        several = jaxbm.fit_members(key, MODEL, x, y, members=2, optimizer=jaxbm.adam(rates), **RUN, **SPLIT)
        assert several.member(1).params[0].weight.shape == (3, 4)
        found = jaxbm.sweep({"learning_rate": [0.1, 0.2]}, key, MODEL, x, y, method="grid", **RUN, **SPLIT)
        assert np.isfinite(found.scores).all()
        judged = jaxbm.cross_validate(key, MODEL, x, y, folds=2, **RUN)
        assert np.isfinite(judged.predictions).all()
        measured = jaxbm.evaluate(MODEL, one.params, x, y, loss=BINARY, metrics=METRICS, sample_weight=weight)
        assert all(np.isfinite(value) for value in measured.values())
        assert jaxbm.predict(MODEL, one.params, x).shape == (24, 1)
        jaxbm.save(tmp_path / "one", MODEL, one.params)
        jaxbm.save_members(tmp_path / "several", jaxbm.Ensemble.of(several))
        again = jaxbm.load(tmp_path / "one").params, jaxbm.load_members(tmp_path / "several").predictor.params
        jax.tree.map(np.testing.assert_array_equal, again, (one.params, several.params))
        assert np.isfinite(jaxbm.Ensemble.of(several).selected(X, Y).probabilities(x)).all()
    with jax.debug_nans(True), pytest.raises(jaxbm.NonFiniteError, match="in epoch 0"):
        jaxbm.fit(key, MODEL, x, y, optimizer=jaxbm.sgd(1e30), **{**RUN, "loss": "squared_error"})


def test_a_model_is_understood_under_any_setting():
    params = jax.vmap(MODEL.init)(jax.random.split(KEY, 2))
    bag, task, understand = jaxbm.Ensemble(MODEL, params), {"task": "classification"}, jaxbm.understand
    with watched(), jax.numpy_dtype_promotion("strict"):
        assert np.isfinite(understand.permutation_importance(KEY, bag, X, Y, repeats=1, **task).mean).all()
        assert np.isfinite(understand.partial_dependence(bag, X, 0, **task).average).all()
        assert np.isfinite(understand.accumulated_local_effects(bag, X, 0, **task).effects).all()
        assert np.isfinite(understand.integrated_gradients(bag, X, steps=8, **task).attributions).all()
