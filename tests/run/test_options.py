"""One description of a run: every function that takes options shows them all, and they all reach the loop."""

import argparse
import dataclasses
import inspect
import sys
import typing

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

import jaxbm
from jaxbm.cli import training_options
from jaxbm.kernels import dispatch
from jaxbm.run import accepts, contract, options
from jaxbm.run.option import REQUIRED
from jaxbm.run.options import OPTIONS
from jaxbm.run.training import Training

rng = np.random.default_rng(0)
X = rng.normal(size=(60, 3)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.float32)
MODEL, KEY = jaxbm.MLP((3, 4, 1)), jax.random.key(1)
TAKERS = {
    name: (function, sys.modules[function.__module__].ACCEPTS)
    for name, function in {
        "fit": jaxbm.fit,
        "fit_members": jaxbm.fit_members,
        "sweep": jaxbm.sweep,
        "cross_validate": jaxbm.cross_validate,
        "fit_groups": jaxbm.fit_groups,
        "explain": jaxbm.kernels.explain,
    }.items()
}


@pytest.mark.parametrize("name", TAKERS)
def test_every_option_is_in_the_signature_with_its_default_and_in_the_docstring(name):
    function, taken = TAKERS[name]
    shown = inspect.signature(function).parameters
    assert not any(p.kind is inspect.Parameter.VAR_KEYWORD for p in shown.values())
    for option in set(OPTIONS) - set(taken.without):
        default = shown[option].default
        assert (
            (default is inspect.Parameter.empty)
            if taken.default(option) is REQUIRED
            else (default == taken.default(option))
        )
        assert f"\n      {option}: " in function.__doc__
    assert accepts.MARK not in function.__doc__
    assert max(len(line) for line in function.__doc__.splitlines()) <= accepts.WIDTH


def test_the_defaults_of_fit_are_those_of_the_documentation():
    shown = {n: p.default for n, p in inspect.signature(jaxbm.fit).parameters.items() if p.kind is p.KEYWORD_ONLY}
    assert shown.pop("loss") is inspect.Parameter.empty
    assert {n for n, default in shown.items() if default is not None} == {
        "epochs", "batch_size", "validation_split", "bootstrap", "metrics", "shuffle", "monitor",
        "monitor_mode", "min_delta", "progress",
    }  # fmt: skip


@pytest.mark.parametrize("name", TAKERS)
def test_the_defaults_are_accepted_and_the_signature_binds_what_is_given(name):
    function, taken = TAKERS[name]
    training = taken.training({"loss": "squared_error"})
    assert training.epochs == taken.default("epochs")
    positional = [p.name for p in inspect.signature(function).parameters.values() if p.kind is not p.KEYWORD_ONLY]
    inspect.signature(function).bind(*positional, loss="squared_error", dropout=0.5)


@pytest.mark.parametrize("name", ["fit", "fit_members", "cross_validate"])
def test_an_unknown_option_is_an_error_that_suggests_the_nearest(name):
    function = TAKERS[name][0]
    with pytest.raises(
        TypeError, match=rf"{name}\(\) got an unexpected keyword argument 'epoch'; did you mean 'epochs'"
    ):
        function(KEY, MODEL, X, Y, loss="squared_error", epoch=3)
    with pytest.raises(TypeError, match=rf"{name}\(\) missing 1 required keyword-only argument: 'loss'"):
        function(KEY, MODEL, X, Y)


def test_type_checkers_read_the_same_list():
    hints = typing.get_type_hints(options.TrainingOptions)
    assert set(hints) == set(OPTIONS) == {field.name for field in dataclasses.fields(Training)}
    assert options.TrainingOptions.__required_keys__ == {n for n, o in OPTIONS.items() if o.default is REQUIRED}
    for function, _ in TAKERS.values():
        kept = inspect.getfullargspec(inspect.unwrap(function)).varkw or "options"
        assert "TrainingOptions" in str(function.__annotations__[kept])


def test_static_options_and_numbers_are_fields_of_the_run():
    assert set(options.STATICS) <= {field.name for field in dataclasses.fields(contract.Task)}
    assert set(options.NUMBERS) <= set(contract.Hyper._fields)
    numbers = {"l2": 0.5, "clip_norm": 1.0, "dropout": 0.25, "patience": 2, "min_delta": 0.125}
    run = Training(loss="squared_error", **numbers).build(MODEL, contract.Data(X, Y))
    assert {name: float(getattr(run.hyper, name)) for name in numbers} == numbers
    assert hash(run.task) == hash(dataclasses.replace(run.task))


def test_a_description_is_frozen_and_keyword_only():
    training = Training(loss="squared_error")
    with pytest.raises(dataclasses.FrozenInstanceError):
        training.epochs = 3
    with pytest.raises(TypeError):
        Training("squared_error")


def test_the_command_line_reads_defaults_and_help():
    parser = argparse.ArgumentParser()
    training_options.add(parser, *training_options.TAKEN, "bootstrap")
    arguments = parser.parse_args([])
    assert set(options.NUMBERS) <= set(training_options.TAKEN)
    for name in training_options.TAKEN:
        assert getattr(arguments, name) == OPTIONS[name].default
        assert OPTIONS[name].brief.split()[0] in parser.format_help()
    assert training_options.given(parser.parse_args(["--epochs", "3", "--dropout", "0.5"])) | {} == {
        **{name: OPTIONS[name].default for name in training_options.TAKEN}, "epochs": 3, "dropout": 0.5,
    }  # fmt: skip
    with pytest.raises(SystemExit):
        parser.parse_args(["--patience", "1.5"])


def test_many_members_augment_as_fit_does():
    noise = jaxbm.augment.GaussianNoise(0.3)
    many = jaxbm.fit_members(KEY, MODEL, X, Y, members=2, loss="squared_error", augment=noise, epochs=2)
    one = jaxbm.fit(jax.random.fold_in(KEY, 1), MODEL, X, Y, loss="squared_error", augment=noise, epochs=2)
    plain = jaxbm.fit(jax.random.fold_in(KEY, 1), MODEL, X, Y, loss="squared_error", epochs=2)
    np.testing.assert_allclose(many.member(1).params[0].weight, one.params[0].weight, rtol=1e-5, atol=1e-6)
    assert not np.allclose(one.params[0].weight, plain.params[0].weight, atol=1e-4)


@pytest.mark.parametrize("changed", [{"halving": 2}, {"greater_is_better": True}, {"l2": 0.1}, {"batch_size": 16}])
def test_a_sweeps_folder_knows_everything_that_decides_it(tmp_path, changed):
    space = {"learning_rate": [0.01, 0.1]}
    shared = {"loss": "squared_error", "epochs": 4, "method": "grid", "refit": False, "folder": tmp_path}
    jaxbm.sweep(space, KEY, MODEL, X, Y, **shared)
    with pytest.raises(ValueError, match="holds a sweep of other data or options"):
        jaxbm.sweep(space, KEY, MODEL, X, Y, **{**shared, **changed})


def test_how_a_run_is_carried_out_does_not_decide_it():
    one, other = (Training(loss="squared_error", implementation=name).decisive() for name in (None, "xla"))
    assert one == other


@pytest.mark.parametrize(
    ("given", "error", "match"),
    [
        ({"patience": float("inf")}, ValueError, "patience: expected a whole number, got inf"),
        ({"patience": 1.9}, ValueError, "patience: expected a whole number, got 1.9"),
        ({"patience": 0}, ValueError, "patience: expected 1"),
        ({"l2": "0.1"}, TypeError, "l2: expected a number, got '0.1'"),
        ({"l2": 1j}, TypeError, "l2: expected a number"),
        ({"l2": [0.1, 0.2]}, ValueError, "l2: expected a number, got"),
        ({"dropout": 1.0}, ValueError, "dropout: expected 0"),
        ({"augment": [1]}, TypeError, "augment: expected a hashable function"),
        ({"optimizer": "adam"}, TypeError, "optimizer: expected one with init and update"),
        ({"loss": 3}, TypeError, "loss: expected a name or a hashable function"),
    ],
)
def test_an_unusable_option_is_named(given, error, match):
    with pytest.raises(error, match=match):
        jaxbm.fit(KEY, MODEL, X, Y, **{"loss": "squared_error", **given})


def test_members_numbers_have_their_own_length():
    with pytest.raises(ValueError, match=r"dropout: expected a number or shape \[3\]"):
        jaxbm.fit_members(KEY, MODEL, X, Y, members=3, loss="squared_error", dropout=jnp.asarray([0.1, 0.2]))
    with pytest.raises(ValueError, match=r"l2: expected 0.0 to inf, got -1.0 at \[1\]"):
        jaxbm.fit_members(KEY, MODEL, X, Y, members=2, loss="squared_error", l2=np.asarray([0.0, -1.0]))


def test_explain_hears_every_option():
    told = jaxbm.kernels.explain(MODEL, loss="squared_error", augment=jaxbm.augment.GaussianNoise(0.1), l2=0.1)
    assert told.implementation != "cpu"
    assert dispatch.ACCEPTS.names == tuple(OPTIONS)


def own_error(logits, labels, weights):
    return jnp.abs(logits - labels).mean()


@pytest.mark.parametrize("implementation", [None, "xla"])
def test_metrics_are_names_or_functions(implementation):
    run = {"loss": "sigmoid_binary_cross_entropy", "epochs": 2, "implementation": implementation}
    labels = (Y.mean() < Y).astype("float32")
    names = jaxbm.fit(KEY, MODEL, X, labels, metrics=["accuracy", "roc_auc"], **run).history
    given = [jaxbm.metrics.accuracy, jaxbm.metrics.METRICS["roc_auc"], own_error, "accuracy"]
    functions = jaxbm.fit(KEY, MODEL, X, labels, metrics=given, **run).history
    assert set(functions) == {"loss", "accuracy", "roc_auc", "own_error"}
    renamed = jaxbm.fit(
        KEY, MODEL, X, labels, metrics={"acc": "accuracy", "auc": jaxbm.metrics.roc_auc}, **run
    ).history
    one = jaxbm.fit(KEY, MODEL, X, labels, metrics=jaxbm.metrics.accuracy, **run).history
    assert set(one) == {"loss", "accuracy"}
    for here, there in (("accuracy", "acc"), ("roc_auc", "auc")):
        np.testing.assert_array_equal(names[here], functions[here])
        np.testing.assert_array_equal(names[here], renamed[there])


@pytest.mark.parametrize(
    ("metrics", "match"),
    [
        ([own_error, lambda logits, labels, weights: 0.0], "a function that has a name, or a mapping"),
        ([sklearn_metrics.f1_score], "JAX can trace for 'f1_score', got scikit-learn's; did you mean 'f1'"),
        ({"mine": sklearn_metrics.roc_auc_score}, "got scikit-learn's; did you mean 'roc_auc'"),
        ({"mine": "accurate"}, "unknown name 'accurate'"),
    ],
)
def test_an_unusable_metric_is_named(metrics, match):
    with pytest.raises((TypeError, ValueError), match=f"metrics: .*{match}"):
        jaxbm.fit(KEY, MODEL, X, Y, loss="squared_error", metrics=metrics)


def test_a_sweep_by_one_metric_beside_a_function():
    found = jaxbm.sweep(
        {"l2": [0.0, 0.1]}, KEY, MODEL, X, Y, loss="squared_error", epochs=2, metric="mae", metrics=own_error
    )
    assert found.metric == "mae"
    assert np.isfinite(found.scores).all()
