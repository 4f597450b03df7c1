"""What is no option's value is refused by name before anything is compiled, of one run as of many members."""

import inspect
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxbm
from jaxbm.core.elsewhere import NAMES
from jaxbm.core.names import suggestion
from jaxbm.estimators import JaxMLPClassifier
from jaxbm.losses.table import LOSSES
from jaxbm.members.fit_members import prepare
from jaxbm.metrics import METRICS
from jaxbm.models.activations import ACTIVATIONS
from jaxbm.optimizers import numbers_of
from jaxbm.run.options import OPTIONS
from jaxbm.run.training import Training
from jaxbm.studies.folds import make_folds

X = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.float32)
SHARES = np.eye(3, dtype=np.float32)[np.arange(12) % 3]
KEY, MODEL, THREE = jax.random.key(0), jaxbm.MLP((3, 4, 1)), jaxbm.MLP((3, 4, 3))
BINARY = "sigmoid_binary_cross_entropy"


class Unhashable:
    """Loss, metric and optimizer, as a class with fields and an equality of its own often is."""

    def __eq__(self, other):
        return other is self

    def __call__(self, *given):
        return given[0].sum()

    def init(self, params):
        return ()

    def update(self, grads, state, params=None):
        return grads, state


UNHASHABLE = Unhashable()


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
        ({"metrics": 3}, "metrics: expected names or functions, got 3"),
        ({"metrics": None}, "metrics: expected names or functions, got None"),
        ({"metrics": {"mine": 3}}, r"metrics: expected a hashable function \(.*\) for 'mine', got 3"),
        ({"metrics": {"loss": len}}, "metrics: expected names other than 'loss' and .* got 'loss'"),
        ({"metrics": {"val_mine": len}}, "metrics: expected names other than 'loss' .* got 'val_mine'"),
        ({"metrics": {1: len}}, "metrics: expected names as keys, got 1"),
        ({"metrics": {"mine": UNHASHABLE}}, "metrics: expected a hashable function .* for 'mine', got Unhashable"),
        ({"loss": UNHASHABLE}, "loss: expected a name or a hashable function .* got Unhashable"),
        ({"optimizer": UNHASHABLE}, "optimizer: expected one that is hashable, got a Unhashable"),
        (
            {"optimizer": jaxbm.sgd(lambda step: jnp.ones(3))},
            r"learning_rate: .* one number for a step count, got an array of shape \[3\]",
        ),
        ({"epochs": 2**31}, "epochs: expected 1 to 2147483647, got 2147483648"),
        ({"patience": np.inf}, "patience: expected a whole number, got inf"),
        ({"patience": 1.9}, "patience: expected a whole number, got 1.9"),
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


def test_a_result_in_the_place_of_its_parameters():
    with pytest.raises(ValueError, match=r"got a SimpleNamespace; it has them as \.params"):
        MODEL.check_params(types.SimpleNamespace(params=[]))


def test_what_other_libraries_call_it_is_something_here():
    here = {*LOSSES, *METRICS, *OPTIONS, *numbers_of("adamw"), *ACTIVATIONS, *jaxbm.losses.__all__}
    for function in (
        jaxbm.MLP, jaxbm.fit, jaxbm.sweep, jaxbm.tabular.fit, jaxbm.tabular.Recipe, jaxbm.table.read,
        jaxbm.table.split, JaxMLPClassifier, jaxbm.understand.permutation_importance,
        jaxbm.understand.partial_dependence,
        *(vars(part)[name] for part in (jaxbm.losses, jaxbm.metrics) for name in dir(part)
          if inspect.isfunction(vars(part).get(name))),
    ):  # fmt: skip
        here |= {*inspect.signature(function).parameters}
    assert {name for names in NAMES.values() for name in names if name} <= here


@pytest.mark.parametrize(
    ("table", "names", "meant"),
    [
        (METRICS, "pr_auc AUPRC ap", "average_precision"),
        (METRICS, "ece expected_calibration_error", "calibration_error"),
        (METRICS, "sparse_categorical_accuracy acc accuracy_score", "accuracy"),
        (
            METRICS,
            "specificity jaccard hamming_loss max_error pearson explained_variance",
            None,
        ),
        (LOSSES, "poisson_loss PoissonNLLLoss poisson", "poisson_deviance"),
        (LOSSES, "ordinal_loss", "ordinal_cross_entropy"),
        (LOSSES, "smooth_l1 SmoothL1Loss", "huber_loss"),
        (LOSSES, "squared_hinge msle soft_margin_loss", None),
    ],
)
def test_a_metric_or_a_loss_of_another_library_is_answered_by_its_meaning_not_its_spelling(table, names, meant):
    for name in names.split():
        assert suggestion(name, table) == (f"; did you mean {meant!r}?" if meant else "")


@pytest.mark.parametrize(
    ("package", "name", "meant"),
    [
        (jaxbm, "MLPClassifier", "; here it is jaxbm.estimators.JaxMLPClassifier"),
        (jaxbm, "fitmembers", "; here it is jaxbm.fit_members"),
        (jaxbm, "fit_member", "; did you mean 'fit_members'?"),
        (jaxbm, "train_test_split", "; here it is jaxbm.table.split"),
        (jaxbm.losses, "MSELoss", "; here it is jaxbm.losses.squared_error"),
        (jaxbm.losses, "ctc_loss", ""),
        (jaxbm.metrics, "f1_score", "; here it is jaxbm.metrics.f1"),
        (jaxbm.metrics, "mean_squared_error", "; here it is jaxbm.metrics.mse"),
        (jaxbm.optimizers, "AdamW", "; here it is jaxbm.optimizers.adamw"),
        (jaxbm.tabular, "fits", "; did you mean 'fit'?"),
        (jaxbm.table, "_private", ""),
    ],
)
def test_a_name_that_a_package_lacks_is_answered_with_the_one_that_may_be_meant(package, name, meant):
    with pytest.raises(AttributeError) as raised:
        getattr(package, name)
    assert str(raised.value) == f"module '{package.__name__}' has no attribute '{name}'{meant}"


def test_a_member_s_patience_is_a_whole_number():
    for value in (np.inf, 1.9):
        told = rf"patience: expected a whole number, got {value} at \[1\]"
        with pytest.raises(ValueError, match=told):
            run(True, {"patience": [1, value]})
        with pytest.raises(ValueError, match=told):
            CALLS["sweep"](KEY, MODEL, X, Y, loss=BINARY, space={"patience": [1, value]})


class Sparse:
    """An array that NumPy takes for one object, as those of SciPy."""

    shape = (12, 3)


HIDDEN = X > 1
UNREADABLE = {
    "masked entries": (np.ma.masked_array(X, HIDDEN), f"x: expected no masked entries, got {HIDDEN.sum()}"),
    "masked rows": (list(np.ma.masked_array(X, HIDDEN)), f"x: expected no masked entries, got {HIDDEN.sum()}"),
    "sparse": (Sparse(), r"x: expected a dense array, got a Sparse of shape \[12, 3\]"),
    "ragged": ([[1.0, 2.0, 3.0], [1.0]], "x: expected an array, got lists of different lengths"),
    "text": (X.astype(str), "x: expected numbers, got dtype <U"),
    "no rows": (X[:0], "x: expected at least one row, got none"),
}
CALLS = {
    "fit": jaxbm.fit,
    "fit_members": lambda *a, **o: jaxbm.fit_members(*a, members=2, **o),
    "fit_groups": lambda key, model, x, y, **o: jaxbm.fit_groups(key, model, x, y, np.arange(12) % 2, **o),
    "cross_validate": lambda *a, **o: jaxbm.cross_validate(*a, folds=2, **o),
    "sweep": lambda *a, space=None, **o: jaxbm.sweep(space or {"learning_rate": [0.1, 0.2]}, *a, method="grid", **o),
    "predict": lambda key, model, x, y, **o: jaxbm.predict(model, MODEL.init(KEY), x),
    "evaluate": lambda key, model, x, y, **o: jaxbm.evaluate(model, MODEL.init(KEY), x, y, **o),
}


@pytest.mark.parametrize("name", CALLS)
def test_what_numpy_would_read_as_something_else(name):
    for what, (x, match) in UNREADABLE.items():
        if what == "no rows" and name in ("predict", "evaluate"):
            continue  # predictions of no rows are none
        with pytest.raises((TypeError, ValueError), match=match):
            CALLS[name](KEY, MODEL, x, Y, loss=BINARY)
    if name != "predict":
        with pytest.raises(ValueError, match="y: expected no masked entries, got 5"):
            CALLS[name](KEY, MODEL, X, np.ma.masked_array(Y, np.arange(12) < 5), loss=BINARY)
        with pytest.raises(ValueError, match="sample_weight: expected no masked entries, got 2"):
            CALLS[name](KEY, MODEL, X, Y, loss=BINARY, sample_weight=np.ma.masked_array(Y + 1, np.arange(12) < 2))


def test_other_masked_arguments():
    half = np.ma.masked_array(np.arange(12) % 2, np.arange(12) < 3)
    calls = {
        "rows": lambda: jaxbm.fit(KEY, MODEL, X, Y, loss=BINARY, rows=half),
        "groups": lambda: jaxbm.fit_groups(KEY, MODEL, X, Y, half, loss=BINARY),
        "class_weight": lambda: jaxbm.fit_groups(KEY, MODEL, X, Y, half.data, loss=BINARY, class_weight="balanced",
                                                 sample_weight=half),
        "labels": lambda: jaxbm.metrics.accuracy(Y, half),
        "predictions": lambda: jaxbm.losses.squared_error(half * 1.0, Y),
    }  # fmt: skip
    for call in calls.values():
        with pytest.raises(ValueError, match="expected no masked entries, got 3"):
            call()
    with pytest.raises(ValueError, match=r"groups: expected shape \[12\] like x, got \[3\]"):
        jaxbm.cross_validate(KEY, MODEL, X, Y, loss=BINARY, folds=2, groups=[1, 2, 3])
    with pytest.raises(ValueError, match=r"y: expected shape \[12\] or \[12, 1\] like x, got \[3\]"):
        jaxbm.cross_validate(KEY, MODEL, X, Y[:3], loss=BINARY, folds=2)
    for groups, match in [
        (np.array(["a", 1] * 6, object), "expected labels of one kind, got numbers and text"),
        (np.array([{}] * 12, object), "expected text, numbers or dates, got dict"),
        (np.arange(12) * 1j, "expected text, numbers or dates, got dtype complex128"),
    ]:
        with pytest.raises(TypeError, match=f"groups: {match}"):
            jaxbm.fit_groups(KEY, MODEL, X, Y, groups, loss=BINARY)
    pandas = pytest.importorskip("pandas")
    groups = pandas.array([1, 2, None] * 4, dtype="Int64")
    with pytest.raises(ValueError, match="groups: expected a label for every row, got missing values"):
        jaxbm.fit_groups(KEY, MODEL, X, Y, groups, loss=BINARY)


def test_groups_of_numbers_in_any_form_are_those_numbers():
    """Of what JAX doesn't take, and of integers beyond those that it keeps."""
    groups, whole = np.arange(12) % 2, np.round(X * 4)
    run = {"loss": "squared_error", "epochs": 1}
    expected = jaxbm.fit_groups(KEY, MODEL, whole, whole[:, 0], groups, **run).predict(whole, groups)
    for dtype in (">f4", ">i8", np.longdouble, object):
        form = whole.astype(dtype)
        found = jaxbm.fit_groups(KEY, MODEL, form, form[:, 0].tolist(), groups, **run).predict(form, groups)
        np.testing.assert_array_equal(found, expected)
    large = (whole + 64).astype(np.int64) << 32
    run["optimizer"] = jaxbm.sgd(0.0)  # Adam's means of such squares overflow, which is told
    found = jaxbm.fit_groups(KEY, MODEL, large, Y, groups, **run).result
    expected = jaxbm.fit_groups(KEY, MODEL, large.astype(np.float32), Y, groups, **run).result
    np.testing.assert_array_equal(found.history["loss"], expected.history["loss"])


@pytest.mark.parametrize("value", [None, "a", b"x", [], {}, object(), 1 + 2j, np.ones(2), len])
def test_what_is_no_number_of_an_augmentation(value):
    made = {"std": jaxbm.augment.GaussianNoise, "rate": jaxbm.augment.FeatureMasking, "alpha": jaxbm.augment.Mixup}
    for name, kind in made.items():
        with pytest.raises(TypeError, match=f"{name}: expected (a|one) number, got "):
            kind(value)
    with pytest.raises(TypeError, match="model: expected an MLP, got "):
        jaxbm.BatchEnsemble(value)


@pytest.mark.parametrize("name", CALLS)
def test_text_is_never_parsed_and_no_imaginary_part_is_dropped(name):
    run = lambda x=X, y=Y, key=KEY, **o: CALLS[name](key, MODEL, x, y, loss=BINARY, **o)  # noqa: E731
    forms = {"numbers, got dtype <U": lambda a: a.astype(str), "real numbers, got dtype complex": lambda a: a + 1j,
             r"numbers, got '.*' \(str\)": lambda a: a.astype(str).astype(object)}  # fmt: skip
    for match, form in forms.items():
        calls = {"x": lambda f=form: run(f(X)), "y": lambda f=form: run(y=f(Y)),
                 "sample_weight": lambda f=form: run(sample_weight=f(Y + 1))}  # fmt: skip
        if name in ("fit", "fit_members"):
            held_out = {"x": (form(X), Y), "y": (X, form(Y)), "sample_weight": (X, Y, form(Y + 1))}
            calls |= {rf"{k} \(validation\)": lambda v=v: run(validation_data=v) for k, v in held_out.items()}
        for argument, call in calls.items():
            if argument == "x" or name != "predict":
                with pytest.raises(TypeError, match=f"^{argument}: expected {match}"):
                    call()


@pytest.mark.parametrize("name", [name for name in CALLS if name not in ("predict", "evaluate")])
def test_no_key_at_all(name):
    for key in (None, 0, [None, None]):
        with pytest.raises(TypeError, match=r"^keys?: expected (a )?JAX random key"):
            CALLS[name](key, MODEL, X, Y, loss=BINARY)


PARAMS = MODEL.init(KEY)
OTHERS = jaxbm.fit_members(KEY, MODEL, X, Y, members=2, loss=BINARY, epochs=1)
STRANGE = {"None": None, "text": "zz", "bytes": b"x", "list": [], "dict": {}, "object": object(), "complex": 1 + 2j,
           "numbers": np.ones(2), "function": lambda *given: None, "set": {1},
           "objects": np.array([None, "a"], object), "date": np.datetime64("2020-01-01")}  # fmt: skip
#: Name of a call, the arguments that it is tried with, and what each of them may be among `STRANGE`.
TAKEN = {
    "predict": (jaxbm.predict, {"model": MODEL, "params": PARAMS, "x": X, "batch_size": 4}, {}),
    "evaluate": (jaxbm.evaluate, {"model": MODEL, "params": PARAMS, "x": X, "y": Y, "loss": BINARY, "metrics": ()},
                 {"metrics": ("list", "dict")}),
    "save": (jaxbm.save, {"folder": "f", "model": MODEL, "params": PARAMS, "metadata": None},
             {"folder": ("text",), "metadata": ("None", "dict")}),
    "DPSGD": (jaxbm.DPSGD, {"noise_multiplier": 1.0, "clip_norm": 1.0, "delta": 1e-5, "accountant": "pld"}, {}),
    "MLP": (jaxbm.MLP, {"sizes": (3, 1), "activation": "relu", "output_activation": "relu", "use_bias": True,
                        "weight_init": "zeros", "param_dtype": "float32", "dtype": "float32"},
            {"activation": ("function", "list"), "output_activation": ("function",), "dtype": ("None",)}),
    "sgd": (jaxbm.sgd, {"learning_rate": 0.1, "momentum": 0.9, "nesterov": True, "accumulator_dtype": "float32"},
            {"learning_rate": ("function", "numbers"), "momentum": ("None",), "accumulator_dtype": ("None",)}),
    "adamw": (jaxbm.adamw, {"learning_rate": 0.1, "b1": 0.9, "b2": 0.9, "eps": 1e-8, "eps_root": 0.0,
                            "weight_decay": 0.1, "nesterov": True, "mu_dtype": "float32"},
              {"learning_rate": ("function", "numbers"), "eps": ("numbers",), "eps_root": ("numbers",),
               "weight_decay": ("numbers",), "mu_dtype": ("None",)}),
    "clip": (jaxbm.clip_by_global_norm, {"max_norm": 1.0}, {"max_norm": ("numbers",)}),
    "Ensemble": (jaxbm.Ensemble, {"model": MODEL, "params": OTHERS.params, "weights": None, "temperature": 1.0,
                                  "bounds": None, "meaning": "scores"},
                 {"weights": ("None", "numbers"), "bounds": ("None", "numbers")}),
    "of": (jaxbm.Ensemble.of, {"result": OTHERS}, {}),
    "quantiles": (lambda q: jaxbm.Ensemble.of(OTHERS).quantiles(X, q), {"q": 0.5}, {"q": ("list", "numbers")}),
    "selected": (lambda **o: jaxbm.Ensemble.of(OTHERS).selected(X, Y, **o),
                 {"score": "log_loss", "size": 3, "drop": True}, {"score": ("function",)}),
    "make_folds": (lambda **o: make_folds(12, Y, **o), {"folds": 3, "repeats": 1, "stratified": True}, {}),
    "fit_groups": (lambda **o: jaxbm.fit_groups(x=X, y=Y, model=MODEL, groups=Y, **o),
                   {"key": KEY, "loss": BINARY, "min_rows": 2, "pooled": False, "validation_split": 0.0},
                   {"loss": ("function",)}),
    "sweep": (lambda **o: jaxbm.sweep(key=KEY, loss=BINARY, **o),
              {"space": {"l2": [0.1]}, "model": MODEL, "x": X, "y": Y, "trials": 1, "method": "grid", "metric": "f1",
               "refit": True, "grid_points": 2, "folds": 3, "validation_split": 0.5}, {"folds": ("None",)}),
    "save_members": (jaxbm.save_members, {"folder": "f", "predictor": jaxbm.Ensemble.of(OTHERS)},
                     {"folder": ("text",)}),
    "FunctionModel": (jaxbm.FunctionModel, {"init_function": len, "apply_function": len, "input_shape": (3,),
                                            "n_outputs": 1, "param_dtype": "float32"},
                      {"init_function": ("function",), "apply_function": ("function",),
                       "input_shape": ("None", "list", "dict")}),
    "apply": (lambda **o: MODEL.apply(PARAMS, X, **o), {"dropout": 0.1, "key": KEY}, {"dropout": ("None",)}),
    "Uniform": (jaxbm.space.Uniform, {"low": 0.0, "high": 1.0}, {}),
    "fit": (lambda **o: jaxbm.fit(KEY, MODEL, X, Y, loss=BINARY, **o),
            {"implementation": None, "progress": 3, "monitor_mode": "auto", "class_weight": "balanced"},
            {"implementation": ("None",), "progress": ("function",), "class_weight": ("None", "dict", "numbers")}),
}  # fmt: skip


@pytest.mark.parametrize("name", TAKEN)
def test_what_is_no_such_argument_at_all_is_refused_by_its_name(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    call, arguments, fine = TAKEN[name]
    for argument in arguments:
        for what, value in STRANGE.items():
            if what in fine.get(argument, ()):
                continue
            with pytest.raises((TypeError, ValueError), match=rf"^{argument}[:.]") as told:
                call(**{**arguments, argument: value})
            assert len(str(told.value)) < 1000, (argument, what)
            assert "array(" not in str(told.value), (argument, what)


def test_parameters_of_another_model_are_refused_where_they_are_used():
    two = jaxbm.FunctionModel(lambda key: {"w": np.ones((3, 1), np.float32)}, lambda p, x: x @ p["w"], (3,), 1)
    for model, params in [(MODEL, THREE.init(KEY)), (MODEL, two.init(KEY)), (two, PARAMS), (two, {"w": np.ones(3)}),
                          (two, {"w": np.full((3, 1), "a")}), (MODEL, OTHERS.params)]:  # fmt: skip
        with pytest.raises((TypeError, ValueError), match="params: expected "):
            jaxbm.predict(model, params, X)
        with pytest.raises((TypeError, ValueError), match="params: expected "):
            jaxbm.evaluate(model, params, X, Y, loss=BINARY)
    with pytest.raises(ValueError, match="params: expected "):
        jaxbm.Ensemble(THREE, OTHERS.params)


def test_losses_without_labels_and_metrics_of_no_such_classes():
    """Optax takes no targets for zeros where its losses compare numbers, and nowhere else."""
    x, fine = np.ones((4, 2), np.float32), ("squared_error", "l2_loss", "absolute_error", "huber_loss", "log_cosh")
    for name in jaxbm.losses.LOSSES:
        if name in fine:
            np.testing.assert_array_equal(jaxbm.losses.loss(name)(x, None), jaxbm.losses.loss(name)(x, 0 * x))
            continue
        with pytest.raises((TypeError, ValueError), match=r"(labels|targets): expected"):
            jaxbm.losses.loss(name)(x, None)
    for what, value in STRANGE.items():
        for argument in ("average", "num_classes"):
            with pytest.raises((TypeError, ValueError), match=f"^{argument}: (expected|unknown)") as told:
                jaxbm.metrics.f1(Y, Y, **{argument: value})
            assert "array(" not in str(told.value), what
    with pytest.raises(TypeError, match="means: expected numbers"):
        jaxbm.metrics.poisson_deviance(None, Y)
    with pytest.raises(ValueError, match="targets: expected shape"):
        jaxbm.metrics.pinball(Y, 1.0)
    with pytest.raises(TypeError, match=r"member: expected an integer, got 1\.0"):
        OTHERS.member(1.0)


def test_folds_of_ones_own_are_rows_of_the_table():
    rows = np.arange(12)
    for folds, match in [
        ([(rows, [12])], "expected 0 to 11, got 12"), ([(rows, [-1])], "expected 0 to 11, got -1"),
        ([3], "expected pairs"), ([(rows, rows > 5)], "expected integers"), ([(rows, [])], "expected rows to train"),
    ]:  # fmt: skip
        with pytest.raises(ValueError, match=f"folds: {match}"):
            make_folds(12, Y, folds)


@pytest.mark.parametrize("implementation", ["xla", None])
def test_a_metric_of_ones_own_gives_one_number(implementation):
    run = {"loss": BINARY, "epochs": 1, "implementation": implementation}
    metrics = {
        "python": lambda logits, y, w: 3,
        "numpy": lambda logits, y, w: np.float64(0.5),
        "mean": lambda *a: 1.5,
    }
    found = jaxbm.fit(KEY, MODEL, X, Y, metrics=metrics, patience=10**10, **run).history
    assert [float(found[name][0]) for name in metrics] == [3, 0.5, 1.5]
    measured = jaxbm.evaluate(MODEL, PARAMS, X, Y, loss=BINARY, metrics=metrics)
    assert list(measured.values())[1:] == [3, 0.5, 1.5]
    for function, error, match in [
        (lambda logits, y, w: logits, ValueError, r"one real number from 'mine', got float32\[12\]"),
        (
            lambda logits, y, w: jax.lax.complex(logits.sum(), logits.sum()),
            ValueError,
            r"one real number from 'mine', got complex64\[\]",
        ),
        (lambda logits, y, w: None, TypeError, "a number from 'mine', got NoneType"),
        (lambda logits, y, w: "0.5", TypeError, "a number from 'mine', got str"),
    ]:
        with pytest.raises(error, match=f"metrics: expected {match}"):
            jaxbm.fit(KEY, MODEL, X, Y, metrics={"mine": function}, **run)
        with pytest.raises(error, match=f"metrics: expected {match}"):
            jaxbm.evaluate(MODEL, PARAMS, X, Y, loss=BINARY, metrics={"mine": function})


def test_what_an_augmentation_gives():
    for result in (None, lambda: 0, ()):
        with pytest.raises(TypeError, match="augment: expected \\(x, y\\) from the function, got "):
            jaxbm.fit(KEY, MODEL, X, Y, loss=BINARY, augment=lambda key, x, y, result=result: result)
