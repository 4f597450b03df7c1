"""Labels at the boundary: one rule for their shapes and classes, whatever trains, validates or measures."""

import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxbm
from jaxbm.kernels import native
from jaxbm.members.result import MembersResult
from jaxbm.training.predict import score

IMPLEMENTATIONS = ["xla", pytest.param("cpu", marks=pytest.mark.skipif(
    native.native().reason is not None, reason="the kernels are not compiled here"))]  # fmt: skip
rng = np.random.default_rng(1)
X = rng.normal(size=(60, 3)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.float32)
KEY, MODEL, THREE = jax.random.key(0), jaxbm.MLP((3, 4, 1)), jaxbm.MLP((3, 4, 3))
BINARY, CLASSES = "sigmoid_binary_cross_entropy", "softmax_cross_entropy_with_integer_labels"
LABELS = rng.integers(0, 3, 60)


def same(a, b):
    for name in a.history:
        np.testing.assert_array_equal(a.history[name], b.history[name], err_msg=name)
    jax.tree.map(np.testing.assert_array_equal, a.params, b.params)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_a_column_of_labels_is_the_labels(implementation):
    options = {
        "loss": BINARY,
        "epochs": 2,
        "metrics": ["accuracy", "f1", "roc_auc"],
        "implementation": implementation,
    }
    want = jaxbm.fit(KEY, MODEL, X, Y, validation_data=(X[:20], Y[:20]), **options)
    for y, held_out in ((Y[:, None], Y[:20]), (Y, Y[:20, None]), (Y[:, None], Y[:20, None])):
        same(jaxbm.fit(KEY, MODEL, X, y, validation_data=(X[:20], held_out), **options), want)
    many = [jaxbm.fit_members(KEY, MODEL, X, y, members=2, **options) for y in (Y, Y[:, None])]
    same(*many)
    own = jaxbm.fit_members(KEY, MODEL, X, np.stack([Y, Y])[..., None], members=2, **options)
    np.testing.assert_allclose(own.history["accuracy"], many[0].history["accuracy"])


def test_a_column_of_labels_is_measured_as_the_labels():
    params = MODEL.init(KEY)
    metrics = ["accuracy", "f1", "log_loss", "brier_score", "roc_auc"]
    one, other = (jaxbm.evaluate(MODEL, params, X, y, loss=BINARY, metrics=metrics) for y in (Y, Y[:, None]))
    assert one == other
    numbers = jaxbm.evaluate(THREE, THREE.init(KEY), X, LABELS, loss=CLASSES, metrics=["accuracy"])
    assert numbers == jaxbm.evaluate(THREE, THREE.init(KEY), X, LABELS[:, None], loss=CLASSES, metrics=["accuracy"])
    space = {"learning_rate": [1e-3, 1e-1]}
    options = {"loss": BINARY, "metric": "accuracy", "metrics": ["accuracy"], "method": "grid", "refit": False}
    found = [jaxbm.sweep(space, KEY, MODEL, X, y, epochs=3, **options).scores for y in (Y, Y[:, None])]
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("loss", ["softmax_cross_entropy", "safe_softmax_cross_entropy", CLASSES])
def test_classes_need_an_output_each(loss):
    y = Y.astype(np.int32) if loss == CLASSES else Y
    for train in (jaxbm.fit, lambda *a, **o: jaxbm.fit_members(*a, members=2, **o)):
        with pytest.raises(ValueError, match=r"expects an output for each class.*sigmoid_binary_cross_entropy"):
            train(KEY, MODEL, X, y, loss=loss)
    with pytest.raises(ValueError, match="expects an output for each class"):
        jaxbm.evaluate(MODEL, MODEL.init(KEY), X, y, loss=loss)


@pytest.mark.parametrize("implementation", [None, "xla"])
def test_weights_of_classes_for_labels_of_either_sign(implementation):
    signs, options = 2 * Y - 1, {"loss": "hinge_loss", "epochs": 2, "implementation": implementation}
    want = jaxbm.fit(KEY, MODEL, X, signs, sample_weight=np.where(Y > 0, 0.5, 3.0), **options)
    for given in ({0: 3.0, 1: 0.5}, {-1: 3.0, 1: 0.5}, [3.0, 0.5]):
        same(jaxbm.fit(KEY, MODEL, X, signs, class_weight=given, **options), want)
    other = jaxbm.fit(KEY, MODEL, X, -signs, sample_weight=np.where(Y > 0, 3.0, 0.5), **options)
    many = jaxbm.fit_members(
        jnp.stack([KEY, KEY]), MODEL, X, np.stack([signs, -signs]), class_weight={-1: 3.0, 1: 0.5}, **options
    )
    for k, alone in enumerate((want, other)):
        np.testing.assert_allclose(many.history["loss"][k], alone.history["loss"], rtol=1e-5)


def test_classes_of_either_sign_go_by_their_labels_or_by_their_numbers():
    signs = 2 * Y - 1
    for given in ({-1: 3.0, 0: 1.0}, {0: 1.0, 2: 1.0}, {-1: 1.0, "good": 2.0}):
        for train in (jaxbm.fit, lambda *a, **o: jaxbm.fit_members(*a, members=2, **o)):
            with pytest.raises(ValueError, match="class_weight: expected classes -1 and 1, or 0 and 1, got"):
                train(KEY, MODEL, X, signs, loss="hinge_loss", class_weight=given)
    with pytest.raises(ValueError, match=r"class_weight: expected classes 0 to 1, got \[-1\]"):
        jaxbm.fit(KEY, MODEL, X, Y, loss=BINARY, class_weight={-1: 3.0})
    with pytest.raises(ValueError, match=r"y: expected labels -1 or 1 for loss='hinge_loss', got 0"):
        jaxbm.fit(KEY, MODEL, X, Y, loss="hinge_loss")


@pytest.mark.parametrize(
    ("loss", "y", "match"),
    [
        ("squared_error", Y, "expected a loss whose labels name a class, got one whose labels are real"),
        (BINARY, 0.9 * Y, r"expected classes 0 to 1 as labels, got 0.9 at"),
    ],
)
def test_weights_of_classes_need_classes(loss, y, match):
    for train in (jaxbm.fit, lambda *a, **o: jaxbm.fit_members(*a, members=2, **o)):
        with pytest.raises(ValueError, match=match):
            train(KEY, MODEL, X, y, loss=loss, class_weight="balanced")


WAYS = {
    "split": {"validation_split": 0.25},
    "rows": {"validation_rows": np.arange(45, 60), "rows": np.arange(45)},
    "data": {"validation_data": (X[45:], Y[45:]), "rows": np.arange(45)},
}


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_weights_of_classes_weigh_no_row_that_is_validated_on(implementation):
    options = {"loss": BINARY, "epochs": 2, "class_weight": {0: 5.0, 1: 0.2}, "implementation": implementation}
    found = {way: jaxbm.fit(KEY, MODEL, X, Y, **options, **rows) for way, rows in WAYS.items()}
    for way, result in found.items():
        np.testing.assert_allclose(
            result.history["val_loss"], found["data"].history["val_loss"], rtol=1e-5, err_msg=way
        )
        many = jaxbm.fit_members(KEY, MODEL, X, Y, members=2, **options, **WAYS[way])
        one = jaxbm.fit(jax.random.fold_in(KEY, 1), MODEL, X, Y, **options, **WAYS[way])
        np.testing.assert_allclose(many.history["val_loss"][1], one.history["val_loss"], rtol=1e-5, err_msg=way)
    end = found["data"]
    measured = jaxbm.evaluate(MODEL, end.params, X[45:], Y[45:], loss=BINARY)["loss"]
    assert float(end.history["val_loss"][-1]) == pytest.approx(measured, rel=1e-5)


@pytest.mark.parametrize("rows", [[2**32 + 1], np.asarray([2**63], np.uint64), [-1], [60]])
def test_the_number_of_a_row_never_wraps_round(rows):
    with pytest.raises(ValueError, match="rows: expected 0 to 59, got"):
        jaxbm.fit(KEY, MODEL, X, Y, loss=BINARY, rows=rows)
    with pytest.raises(ValueError, match="validation_rows: expected 0 to 59, got"):
        jaxbm.fit_members(KEY, MODEL, X, Y, members=2, loss=BINARY, validation_rows=rows)
    for each in ([rows, rows], [[0, 1], rows]):
        with pytest.raises(ValueError, match=r"rows.*: expected 0 to 59, got"):
            jaxbm.fit_members(KEY, MODEL, X, Y, loss=BINARY, members=2, rows=each)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_inside_a_transformation_a_strange_row_or_class_ends_the_run(implementation):
    def by_rows(rows):
        return jaxbm.fit(KEY, MODEL, X, Y, loss=BINARY, epochs=2, rows=rows, implementation=implementation)

    def by_labels(y):
        return jaxbm.fit(KEY, THREE, X, y, loss=CLASSES, epochs=2, implementation=implementation)

    good = jnp.arange(40)
    assert bool(jax.jit(by_rows)(good).finite)
    assert not bool(jax.jit(by_rows)(good.at[3].set(5_000)).finite)
    assert not bool(jax.jit(by_rows)(good.at[3].set(-2)).finite)
    both = jax.vmap(by_rows)(jnp.stack([good, good.at[3].set(5_000)]))
    assert both.finite.tolist() == [True, False]
    labels = jnp.asarray(LABELS)
    assert bool(jax.jit(by_labels)(labels).finite)
    assert not bool(jax.jit(by_labels)(labels.at[7].set(7)).finite)


def test_nothing_to_measure_is_an_error():
    params = MODEL.init(KEY)
    with pytest.raises(ValueError, match="x: expected at least one row, got none"):
        jaxbm.evaluate(MODEL, params, X[:0], Y[:0], loss=BINARY, metrics=["accuracy"])
    zero = np.zeros(60, np.float32)
    with pytest.raises(ValueError, match="sample_weight: expected a positive weight among the rows measured"):
        jaxbm.evaluate(MODEL, params, X, Y, loss=BINARY, sample_weight=zero)
    for way in ({"validation_split": 0.2}, {"validation_data": (X[:9], Y[:9], zero[:9])}):
        weight = np.where(np.arange(60) < 48, 1.0, 0.0)
        blamed = "validation_data" if "validation_data" in way else "sample_weight"
        with pytest.raises(ValueError, match=f"{blamed}: expected a positive weight among the rows measured"):
            jaxbm.fit(KEY, MODEL, X, Y, loss=BINARY, sample_weight=weight, **way)


def test_numbers_of_other_kinds_are_taken_or_refused_by_name():
    options = {"loss": BINARY, "epochs": 1}
    want = jaxbm.fit(KEY, MODEL, X, Y, **options)
    same(jaxbm.fit(KEY, MODEL, X.astype(">f4"), Y.astype(">f8"), **options), want)
    same(jaxbm.fit(KEY, MODEL, X.astype(np.longdouble), Y.astype(np.longdouble), **options), want)
    for dtype in (">f4", np.longdouble):
        x, y, weight = (a.astype(dtype) for a in (X, Y, Y + 1))
        many = jaxbm.fit_members(KEY, MODEL, x, y, members=1, sample_weight=weight, **options)
        same(many, jaxbm.fit_members(KEY, MODEL, X, Y, members=1, sample_weight=Y + 1, **options))
        np.testing.assert_array_equal(jaxbm.predict(MODEL, want.params, x), jaxbm.predict(MODEL, want.params, X))
        measured = [jaxbm.evaluate(MODEL, want.params, *rows, loss=BINARY, metrics=["accuracy"], sample_weight=w)
                    for *rows, w in ((x, y, weight), (X, Y, Y + 1))]  # fmt: skip
        assert measured[0] == measured[1]
        assert float(jaxbm.metrics.brier_score(y, y, weights=weight)) == 0
    with pytest.raises(TypeError, match="x: expected real numbers, got dtype complex"):
        jaxbm.fit(KEY, MODEL, X.astype(np.complex64), Y, **options)
    with pytest.raises(TypeError, match="y: expected numbers"):
        jaxbm.fit(KEY, MODEL, X, Y.astype(str), **options)


def test_errors_and_warnings_travel_between_processes():
    result = jaxbm.fit(KEY, MODEL, X, Y, loss=BINARY, epochs=1)
    error = pickle.loads(pickle.dumps(jaxbm.NonFiniteError(3, result)))
    assert (error.epoch, str(error)) == (3, str(jaxbm.NonFiniteError(3, result)))
    same(error.result, result)
    warning = jaxbm.NonFiniteMembersWarning([(1, 2, {"l2": 0.5})], 7)
    assert str(pickle.loads(pickle.dumps(warning))) == str(warning)
    many = jaxbm.fit_members(KEY, MODEL, X, Y, members=2, loss=BINARY, epochs=1)
    stopped = pickle.loads(pickle.dumps(jaxbm.MembersInterrupted(many)))
    assert stopped.result.members == 2
    found = jaxbm.sweep({"l2": [0.1]}, KEY, MODEL, X, Y, loss=BINARY, epochs=1, method="grid", refit=False)
    assert pickle.loads(pickle.dumps(jaxbm.SweepInterrupted(found))).result.trials == found.trials


def test_groups_are_asked_for_in_the_kind_they_were_trained_in():
    shop = np.repeat([1, 2], 30)
    result = jaxbm.fit_groups(KEY, MODEL, X, Y, shop, loss=BINARY, epochs=1)
    with pytest.raises(ValueError, match="groups: expected numbers as in training, got text"):
        result.predict(X, shop.astype(str))
    assert np.isfinite(result.predict(X, shop)).all()


def test_metrics_read_labels_as_the_loss_does():
    signs, hinge = 2 * Y - 1, {"loss": "hinge_loss", "metrics": ["accuracy"], "epochs": 2}
    result = jaxbm.fit(KEY, MODEL, X, signs, **hinge)
    decided = jaxbm.predict(MODEL, result.params, X)[:, 0] > 0
    assert float(result.history["accuracy"][-1]) == pytest.approx((decided == (Y > 0)).mean())
    several = (X[:, :3] > 0).astype(np.float32)
    many_labels = jaxbm.evaluate(THREE, THREE.init(KEY), X, several, loss=BINARY, metrics=["accuracy"])["accuracy"]
    decided = jaxbm.predict(THREE, THREE.init(KEY), X) > 0
    assert many_labels == pytest.approx((decided == (several > 0)).all(axis=1).mean())
    for soft in (lambda **o: jaxbm.fit(KEY, MODEL, X, 0.9 * Y, loss=BINARY, **o),
                 lambda **o: jaxbm.evaluate(MODEL, MODEL.init(KEY), X, 0.9 * Y, loss=BINARY, **o)):  # fmt: skip
        with pytest.raises(ValueError, match=r"y: expected 0 and 1, or -1 and 1 for metric 'accuracy', got 0.9"):
            soft(metrics=["accuracy"])
        with pytest.raises(ValueError, match=r"y: expected 0 and 1, or -1 and 1 for metric 'f1', got 0.9"):
            soft(metrics=["f1"])


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_several_labels_a_row_are_measured_while_training(implementation):
    several = (X > 0.3).astype(np.float32)
    result = jaxbm.fit(
        KEY, THREE, X[:40], several[:40], loss=BINARY, epochs=3, metrics=["accuracy", "f1"],
        validation_data=(X[40:], several[40:]), implementation=implementation,
    )  # fmt: skip
    decided, truth = jaxbm.predict(THREE, result.params, X) > 0, several > 0
    for name, rows in (("accuracy", slice(40)), ("val_accuracy", slice(40, 60))):
        right = (decided[rows] == truth[rows]).all(axis=1).mean()
        assert float(result.history[name][-1]) == pytest.approx(right, abs=1e-6), name
    hits = (decided & truth)[40:].sum(axis=0)
    score = 2 * hits / np.maximum(decided[40:].sum(axis=0) + truth[40:].sum(axis=0), 1)
    assert float(result.history["val_f1"][-1]) == pytest.approx(score.mean(), abs=1e-6)


@pytest.mark.parametrize("key", [None, 0, "seed"])
def test_what_is_no_key_is_named(key):
    with pytest.raises(TypeError, match="key: expected a JAX random key"):
        jaxbm.fit(key, MODEL, X, Y, loss=BINARY)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_where_no_row_counts_nothing_is_known(implementation):
    """All weights zero, under a transformation, where nothing is looked at; and for one member of several."""
    options = {"loss": BINARY, "epochs": 3, "implementation": implementation}

    def run(weight, held_out):
        rest = {"sample_weight": weight, "validation_data": (X[:9], Y[:9], held_out), "patience": 2}
        return jaxbm.fit(KEY, MODEL, X, Y, **options, **rest)

    ones, zeros = jnp.ones(60), jnp.zeros(60)
    result = jax.jit(jax.vmap(run))(jnp.stack([ones, ones, zeros]), jnp.stack([ones[:9], zeros[:9], ones[:9]]))
    assert result.finite.tolist() == [True, True, False]
    assert np.isnan(result.history["val_loss"][1, :2]).all()
    assert result.epochs_run.tolist() == [3, 2, 1]
    assert np.isnan(result.history["loss"][2, 0])
    rows = [np.arange(40, 60), np.arange(20)]
    weight = np.where(np.arange(60) < 20, 0.0, 1.0)
    members = jax.jit(lambda weight: tuple(jaxbm.fit_members(
        KEY, MODEL, X, Y, members=2, rows=np.arange(20, 60), validation_rows=rows, sample_weight=weight, **options
    )))(weight)  # fmt: skip
    members = MembersResult(*members, models=(MODEL,))
    assert np.isfinite(members.history["val_loss"][0]).all()
    assert np.isnan(members.history["val_loss"][1]).all()
    assert members.best == 0


def test_weights_that_are_all_zero_are_refused():
    zero = np.zeros(60)
    with pytest.raises(ValueError, match="sample_weight: expected a positive weight among the rows trained on"):
        jaxbm.fit(KEY, MODEL, X, Y, loss=BINARY, sample_weight=zero)
    with pytest.raises(ValueError, match="class_weight: expected a positive weight among the rows trained on"):
        jaxbm.fit(KEY, MODEL, X, Y, loss=BINARY, class_weight={0: 0, 1: 0})
    with pytest.raises(ValueError, match="got zeros alone for member 1"):
        jaxbm.fit_members(KEY, MODEL, X, Y, members=2, loss=BINARY, sample_weight=np.stack([1 + zero, zero]))
    for given, match in (
        (np.inf, "class_weight: expected finite values"),
        ("heavy", "class_weight: expected numbers"),
        (1j, "class_weight: expected real numbers"),
    ):
        with pytest.raises((ValueError, TypeError), match=match):
            jaxbm.fit(KEY, MODEL, X, Y, loss=BINARY, class_weight={1: given})
    with pytest.raises(TypeError, match="sample_weight: expected numbers, got dtype <U1"):
        jaxbm.fit(KEY, MODEL, X, Y, loss=BINARY, sample_weight=["1"] * 60)


def test_nullable_columns_of_pandas():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"a": X[:, 0], "b": pd.array(np.arange(60), "Int64"), "c": pd.array(Y > 0, "boolean")})
    y = pd.Series(Y.astype(int), dtype="Int64")
    plain = frame.astype("float32").to_numpy()
    options = {"loss": BINARY, "epochs": 1}
    want = jaxbm.fit(KEY, MODEL, plain, Y, **options)
    same(jaxbm.fit(KEY, MODEL, frame, y, **options), want)
    same(jaxbm.fit_members(KEY, MODEL, frame, y, members=1, **options).member(0),
         jaxbm.fit_members(KEY, MODEL, plain, Y, members=1, **options).member(0))  # fmt: skip
    np.testing.assert_array_equal(jaxbm.predict(MODEL, want.params, frame), jaxbm.predict(MODEL, want.params, plain))
    got, other = (jaxbm.evaluate(MODEL, want.params, *rows, loss=BINARY) for rows in ((frame, y), (plain, Y)))
    assert got == other
    frame.loc[3, "b"], y[5] = pd.NA, pd.NA
    with pytest.raises(TypeError, match=r"x: expected numbers, got a gap \(<NA>\) at \[3, 1\] \(1 in all\)"):
        jaxbm.fit(KEY, MODEL, frame, Y, **options)
    with pytest.raises((TypeError, ValueError), match=r"y: expected .* got (nan|a gap \(<NA>\)) at \[5\]"):
        jaxbm.evaluate(MODEL, want.params, plain, y, loss=BINARY)
    with pytest.raises(TypeError, match=r"x: expected numbers, got 'a' \(str\) at \[0, 0\]"):
        jaxbm.predict(MODEL, want.params, np.asarray([["a", 1.0, 2.0]], object))


def test_whole_numbers_too_large_for_32_bits_are_features_as_they_are():
    stamps = np.asarray([[1_700_000_000_000, 2**40, 1]])
    params = MODEL.init(KEY)
    np.testing.assert_array_equal(
        jaxbm.predict(MODEL, params, stamps), jaxbm.predict(MODEL, params, stamps.astype(np.float32))
    )
    with pytest.raises(ValueError, match="x: expected integers that fit int32"):
        MODEL.apply(params, stamps)
    with pytest.raises(TypeError, match="x: expected real numbers, got dtype complex"):
        jaxbm.predict(MODEL, params, stamps + 1j)


def test_whole_labels_too_large_for_32_bits_are_refused():
    def loss(logits, labels):
        return jnp.square(logits - labels)

    wide, small = np.full(60, 2**40), np.ones(60, np.int64)
    told = "expected integers that fit int32, got 1099511627776"
    with pytest.raises(ValueError, match=f"y: {told}"):
        jaxbm.fit(KEY, MODEL, X, wide, loss=loss)
    with pytest.raises(ValueError, match=rf"y \(validation\): {told}"):
        jaxbm.fit(KEY, MODEL, X, small, loss=loss, validation_data=(X, wide))
    with pytest.raises(ValueError, match=f"y: {told}"):
        jaxbm.fit_members(KEY, MODEL, X, np.stack([small, wide]), members=2, loss=loss)
    with pytest.raises(ValueError, match=f"y: {told}"):
        score(MODEL, np.zeros((60, 1), np.float32), wide, loss=loss)
