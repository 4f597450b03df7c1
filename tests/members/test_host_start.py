"""Members that start on the host are those that start in a compiled program, bit for bit."""

from types import SimpleNamespace

import jax
import numpy as np
import pytest

import jaxbm
from jaxbm.core.device import ALIGNMENT
from jaxbm.kernels import dispatch
from jaxbm.models import host_init
from jaxbm.tabular.unseen import held_out_logits
from jaxbm.training import whole_run
from jaxbm.training.host_start import host_start

X = np.random.default_rng(0).normal(size=(60, 5)).astype("float32")
Y = (X[:, 0] > 0).astype("float32")
MODELS = [jaxbm.MLP((5, *hidden, 1)) for hidden in ((4, 3), (8, 2), (4, 3))]
# What each member has for itself, what they share, and what weighs.
OWN = {
    "rows": [np.arange(40), np.arange(20, 60), np.arange(0, 60, 2)],
    "validation_rows": [np.arange(40, 60), np.arange(20), np.arange(1, 60, 2)],
    "validation_split": 0.0, "sample_weight": np.linspace(0.5, 1.5, 60), "class_weight": "balanced",
    "optimizer": jaxbm.adamw(np.asarray([1e-3, 1e-2, 1e-1], "float32"), weight_decay=0.1), "clip_norm": 1.0,
    "dropout": np.asarray([0.0, 0.1, 0.5], "float32"), "epochs": np.asarray([3, 1, 2]), "bootstrap": True,
}  # fmt: skip


def trained(model, **options):
    options = {"epochs": 3, "patience": 2, "validation_split": 0.2, "dropout": 0.1} | options
    return jaxbm.fit_members(
        jax.random.key(1), model, X, Y, members=3, loss="sigmoid_binary_cross_entropy", **options
    )


@pytest.mark.parametrize(
    ("model", "options"),
    [
        (MODELS, {}),
        (MODELS[0], {"optimizer": jaxbm.sgd(0.1, momentum=0.9), "patience": None, "metrics": ["accuracy"]}),
        (MODELS[1], OWN),
    ],
    ids=["widths", "momentum", "own numbers"],
)
@pytest.mark.skipif(not dispatch.has_direct_runner("cpu"), reason="no kernel here")
def test_the_start_makes_no_difference(model, options, monkeypatch, tmp_path):
    found = trained(model, **options)
    in_chunks = trained(model, **options, progress=lambda told: None)
    monkeypatch.setattr(host_init, "MOST_NUMBERS", 0)
    monkeypatch.setattr(dispatch, "run_from_host", lambda *_, lead: None)
    wanted = trained(model, **options)
    for one in (found, in_chunks):
        jax.tree.map(np.testing.assert_array_equal, tuple(one), tuple(wanted))
        jax.tree.map(lambda a, b: np.testing.assert_equal(a.dtype, b.dtype), tuple(one), tuple(wanted))


@pytest.mark.skipif(not dispatch.has_direct_runner("cpu"), reason="no kernel here")
def test_one_run_is_the_same_whoever_packs_its_numbers(monkeypatch):
    options = {"loss": "softmax_cross_entropy_with_integer_labels", "epochs": 4, "patience": 1, "l2": 0.1}
    labels = np.asarray(Y, "int64")

    def fitted(**more):
        return jaxbm.fit(jax.random.key(2), jaxbm.MLP((5, 3, 2)), X, labels, validation_split=0.25, **options, **more)

    found, in_chunks = fitted(), fitted(progress=lambda *told: None)
    monkeypatch.setattr(dispatch, "run_from_host", lambda *_, lead: None)
    for one in (found, in_chunks):
        jax.tree.map(np.testing.assert_array_equal, tuple(one), tuple(fitted()))
    monkeypatch.undo()
    monkeypatch.setattr(whole_run, "_advanced", None)  # nothing else is traced
    jax.tree.map(np.testing.assert_array_equal, tuple(fitted()), tuple(found))


def test_within_jit_arrays_from_outside_train_as_they_do_alone():
    x, y, key = jax.device_put(X), jax.device_put(Y), jax.random.key(2)

    def fitted():
        return jaxbm.fit(key, jaxbm.MLP((5, 3, 1)), x, y, loss="sigmoid_binary_cross_entropy", epochs=2).params

    jax.tree.map(np.testing.assert_array_equal, jax.jit(fitted)(), fitted())


def test_what_starts_on_the_host_is_taken_as_it_is():
    task = SimpleNamespace(model=jaxbm.MLP((5, 3, 1)), epochs=2, metrics=())
    hyper = SimpleNamespace(optimizer=jaxbm.adam(1e-3), patience=np.int32(1))
    words = np.arange(6, dtype=np.uint32).reshape(3, 2)
    state = host_start(task, "program", words, SimpleNamespace(x_val=None), hyper)
    for leaf in jax.tree.leaves((state.params, state.opt_state.mu, state.opt_state.nu, state.best_params)):
        assert leaf.ctypes.data % ALIGNMENT == 0
    starts = [leaf.ctypes.data for leaf in jax.tree.leaves((state.params, state.best_params))]
    assert len(set(starts)) == len(starts)


def test_many_numbers_are_drawn_some_at_a_time(monkeypatch):
    model, words = jaxbm.MLP((5, 4, 3, 1)), np.arange(14, dtype=np.uint32).reshape(7, 2)
    at_once = host_init.host_init(model, words)
    monkeypatch.setattr(host_init, "BLOCK", 41)
    jax.tree.map(np.testing.assert_array_equal, host_init.host_init(model, words), at_once)


@pytest.mark.skipif(not dispatch.has_direct_runner("cpu"), reason="no kernel here")
def test_a_state_is_given_up_only_where_its_memory_is_written_to():
    model = jaxbm.MLP((5, 3, 1))
    done = trained(model, implementation="program", epochs=1, patience=None)

    @dispatch.compiled
    def advance(task, name, state):
        return jax.tree.map(lambda leaf: leaf + 1, state)

    for name, given_up in (("program", False), ("cpu", True), ("xla", True)):
        start = jax.tree.map(lambda leaf: leaf + 0, done.params)
        advance("task", name, start)
        assert all(leaf.is_deleted() == given_up for leaf in jax.tree.leaves(start))
    assert advance._cache_size() == 3


def test_given_parameters_are_not_written_to():
    start = jax.tree.map(np.asarray, trained(MODELS[0]).params)
    kept = jax.tree.map(np.copy, start)
    trained(MODELS[0], params=start)
    jax.tree.map(np.testing.assert_array_equal, start, kept)


@pytest.mark.parametrize("kind", ["float32", "float16"])
def test_outputs_of_rows_held_out_are_those_of_each_member(kind):
    result = trained(MODELS[0])
    held = [np.asarray([3, 1]), np.arange(5, 60), np.asarray([59])]
    params = result.params
    if kind == "float16":  # parameters that the kernel does not take
        params = jax.tree.map(lambda leaf: np.asarray(leaf, "float16"), params)
        result = jaxbm.MembersResult(*result._replace(params=params), models=result.models)
    for k, logits in enumerate(held_out_logits(result, X, held)):
        one = jax.tree.map(lambda leaf, k=k: leaf[k], params)
        assert logits.shape == (len(held[k]), 1)
        wanted = jaxbm.predict(MODELS[0], one, X[held[k]])
        np.testing.assert_allclose(logits, wanted, rtol=1e-5, atol=1e-6)
