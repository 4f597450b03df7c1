"""What is known by name, here and in the compiled kernels: each thing once, and both sides agree."""

import ast
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxbm
import jaxbm.benchmarks
from jaxbm import losses, metrics, optimizers
from jaxbm.kernels import native
from jaxbm.models.activations import ACTIVATIONS
from jaxbm.optimizers import Adam, Sgd

IS_NATIVE = native.native().reason is None
needs_native = pytest.mark.skipif(not IS_NATIVE, reason=str(native.native().reason))


@needs_native
@pytest.mark.parametrize(
    ("kind", "table"),
    [("activation", ACTIVATIONS), ("loss", losses.LOSSES), ("optimizer", optimizers.OPTIMIZERS)],
)
def test_the_kernels_names_are_names_of_the_tables(kind, table):
    names = native.names(kind)
    assert len(names) == len(set(names)) > 0
    assert set(names) <= set(table)
    assert [native.code(kind, name) for name in names] == list(range(len(names)))
    assert native.code(kind, "none of them") is None
    assert native.code(kind, None) is None


@needs_native
def test_the_kernels_activations_mean_what_ours_mean():
    x = jnp.linspace(-4, 4, 33)[:, None]
    for name in native.names("activation"):
        model = jaxbm.MLP((1, 1, 1), activation=name)
        params = jax.tree.map(jnp.ones_like, model.init(jax.random.key(0)))
        got = jaxbm.kernels.apply(model, params, x, implementation="cpu")
        np.testing.assert_allclose(got, model.apply(params, x), rtol=2e-6, atol=2e-6, err_msg=name)


@needs_native
def test_the_kernels_optimizers_are_those_of_the_table():
    made = {name: optimizers.OPTIMIZERS[name](0.1) for name in native.names("optimizer")}
    assert {name: type(one) for name, one in made.items()} == {"sgd": Sgd, "adam": Adam}


def test_losses():
    assert [entry.name for entry in losses.TABLE] == list(losses.LOSSES)
    for entry in losses.TABLE:
        assert entry.labels in losses.LABELS
        assert losses.entry_of(entry.name) is losses.entry_of(entry.function) is entry
        assert losses.kind_of(entry.function) == entry.labels
    assert losses.entry_of(lambda logits, labels: logits) is None
    assert losses.entry_of("squared") is None
    assert losses.losses_for("binary")[0] == "sigmoid_binary_cross_entropy"
    assert losses.losses_for("multiclass")[0] == "softmax_cross_entropy_with_integer_labels"
    assert losses.losses_for("regression")[0] == "squared_error"
    assert len(losses.losses_for("regression")) >= 12
    assert losses.entry_of("huber_loss").numbers == {"delta": 1.0}
    assert losses.entry_of("squared_error").numbers == {}


def test_metrics():
    assert set(metrics.METRICS) == {entry.name for entry in metrics.TABLE}
    better = {"accuracy", "balanced_accuracy", "precision", "recall", "f1", "roc_auc", "average_precision", "r2",
              "concordance_index"}  # fmt: skip
    assert {name for name in metrics.METRICS if metrics.greater_is_better(name)} == better
    assert not metrics.greater_is_better("loss")
    assert metrics.metrics_for("binary") == ("accuracy", "balanced_accuracy", "f1", "roc_auc")
    assert metrics.heading("rmse") == "RMSE"
    assert metrics.heading("val_loss") == "val loss"


def test_optimizers():
    assert optimizers.numbers_of("adamw") == ["learning_rate", "b1", "b2", "eps", "eps_root", "weight_decay"]
    assert optimizers.numbers_of(lambda learning_rate, extra: None) == ["learning_rate", "extra"]
    with pytest.raises(ValueError, match="optimizer: unknown name 'adan'; did you mean 'adam'"):
        optimizers.optimizer("adan")
    for name, make in optimizers.OPTIMIZERS.items():
        assert optimizers.optimizer(name) is make is optimizers.optimizer(make)


def test_nothing_is_told_by_the_form_of_a_name_or_listed_a_second_time():
    packages = [pathlib.Path(package.__file__).parent for package in (jaxbm, jaxbm.kernels)]
    compared = pathlib.Path(jaxbm.benchmarks.__file__).parent  # whose lists say what to measure
    paths = [path for package in packages for path in package.rglob("*.py") if compared not in path.parents]
    names = [set(ACTIVATIONS), set(losses.LOSSES), set(optimizers.OPTIMIZERS), set(metrics.METRICS)]
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text())):
            where = f"{path}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("endswith", "startswith"):
                words = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
                told = [
                    getattr(name, node.func.attr)(word) for word in words for table in names[:3] for name in table
                ]
                assert not any(told) or max(map(len, words)) < 4, where
            if isinstance(node, ast.Tuple | ast.List | ast.Set):
                words = {one.value for one in node.elts if isinstance(one, ast.Constant)}
                # Names that are exported; and scikit-learn's solvers, each with parameters of its own.
                is_export = path.name == "__init__.py" or path.parent.name == "estimators"
                for table in names:
                    assert is_export or len(words & table) < 3, f"{where}: a second list of names"
