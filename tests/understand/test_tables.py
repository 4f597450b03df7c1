"""Saved models explain themselves in the columns and units of their table."""

import jax
import numpy as np
import pandas as pd
import pytest

import jaxbm
from jaxbm import table, understand
from jaxbm.report.explanation import explanation


def frame(n=200):
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(
        {
            "age": rng.normal(40, 10, n).round(1),
            "city": rng.choice(["Paris", "Rome", "Oslo"], n),
            "member": rng.random(n) < 0.5,
            "noise": rng.normal(size=n),
        }
    )
    rows.loc[::9, "age"] = np.nan
    rows["price"] = 10 * rows.age.fillna(40) + 50 * (rows.city == "Rome") + 500
    rows["label"] = np.where(rows.price > rows.price.median(), "high", "low")
    return rows


def saved(folder, target, members=None):
    rows = frame().drop(columns="label" if target == "price" else "price")
    prep = table.prepare(rows, target)
    model = jaxbm.MLP((len(prep.feature_names), 16, 1))
    loss = "squared_error" if target == "price" else "sigmoid_binary_cross_entropy"
    options = {"loss": loss, "epochs": 60, "optimizer": jaxbm.adam(1e-2)}
    x, y = prep.features(rows), prep.labels(rows)
    if members is None:
        result = jaxbm.fit(jax.random.key(0), model, x, y, **options)
        jaxbm.save(folder, model, result.params, preparation=prep)
        return rows, jaxbm.load(folder)
    result = jaxbm.fit_members(jax.random.key(0), model, x, y, members=members, **options)
    jaxbm.save_members(folder, jaxbm.Ensemble.of(result), preparation=prep)
    return rows, jaxbm.load_members(folder)


def test_a_metric_of_the_other_task_is_named(tmp_path):
    """It was NaN of every column, or compared logits with classes."""
    for target, metric, told in (("price", "accuracy", "numbers"), ("label", "r2", "classes")):
        rows, model = saved(tmp_path / target, target)
        with pytest.raises(ValueError, match=f"metric: expected one of {told} for .*, got '{metric}'"):
            understand.permutation_importance(jax.random.key(0), model, rows, metric=metric, repeats=1)
    x, y = np.ones((8, 2), np.float32), np.ones(8, np.float32)
    model = jaxbm.MLP((2, 1))
    pair = model, model.init(jax.random.key(1))
    found = understand.permutation_importance(jax.random.key(0), pair, x, 2.5 * y, metric="mape")
    assert np.isfinite(found.baseline)  # and "mape" alone says that labels are numbers


@pytest.mark.parametrize("members", [None, 3])
@pytest.mark.parametrize("target", ["price", "label"])
def test_importance_by_column(tmp_path, target, members):
    rows, model = saved(tmp_path / "m", target, members)
    found = understand.permutation_importance(jax.random.key(0), model, rows)
    assert found.names == ("age", "city", "member", "noise")
    assert found.metric == ("r2" if target == "price" else "accuracy")
    assert found.names[found.order[0]] == "age"
    assert found.baseline > 0.8
    lines = found.table()
    assert list(lines["column"])[:2] == ["age", "city"]
    assert (lines["standard_error"] > 0).any()
    one = understand.permutation_importance(jax.random.key(0), model, rows, columns=["city"])
    np.testing.assert_allclose(one.importances[0], found.importances[1], atol=1e-6)


@pytest.mark.parametrize("members", [None, 3])
def test_dependence_in_the_tables_units(tmp_path, members):
    rows, model = saved(tmp_path / "m", "price", members)
    found = understand.partial_dependence(model, rows, "age", grid_points=11, individual=True)
    assert (found.grid[0].min() > 20) & (found.grid[0].max() < 60)
    assert found.outputs == ("price",)
    prep = model.preparation
    changed = rows.assign(age=found.grid[0][3])
    if members is None:
        want = prep.unscale(jaxbm.predict(model.model, model.params, prep.features(changed)))
    else:
        want = prep.unscale(model.predictor.mean(prep.features(changed)))
    np.testing.assert_allclose(found.individual[3], want, rtol=1e-4)
    np.testing.assert_allclose(found.average[3], want.mean(axis=0), rtol=1e-5)
    rise = np.diff(found.average[[0, -1], 0])[0] / np.ptp(found.grid[0])
    assert 7 < rise < 13
    centered = found.centered()
    np.testing.assert_array_equal(centered.individual[0], 0)
    np.testing.assert_allclose(centered.average, centered.individual.mean(axis=1), atol=0.01)


def test_categories_booleans_and_pairs(tmp_path):
    rows, model = saved(tmp_path / "m", "label")
    found = understand.partial_dependence(model, rows, "city")
    assert list(found.grid[0]) == ["Oslo", "Paris", "Rome"]
    assert found.outputs == ("low",)
    assert found.average[2, 0] < found.average[0, 0]
    assert list(found.table()) == ["city", "mean low"]
    pair = understand.partial_dependence(model, rows, ("city", "member"))
    assert pair.average.shape == (3, 2, 1)
    np.testing.assert_allclose(
        pair.average[1, 1],
        understand.partial_dependence(model, rows.assign(city="Paris"), "member").average[1],
        atol=1e-6,
    )
    assert len(pair.table()) == 6
    own = understand.partial_dependence(model, rows, "city", grid=["Rome", "Oslo"])
    np.testing.assert_allclose(own.average, found.average[[2, 0]], atol=1e-6)


def test_effects_leave_missing_values_out(tmp_path):
    rows, model = saved(tmp_path / "m", "price")
    found = understand.accumulated_local_effects(model, rows, "age", bins=5)
    assert found.counts.sum() == rows.age.notna().sum()
    assert found.effects[-1, 0] - found.effects[0, 0] == pytest.approx(10 * np.ptp(rows.age.dropna()), rel=0.2)
    with pytest.raises(ValueError, match="'city' has no order"):
        understand.accumulated_local_effects(model, rows, "city")


def test_gradients_by_column(tmp_path):
    rows, model = saved(tmp_path / "m", "label")
    found = understand.integrated_gradients(model, rows)
    assert found.by_column.shape == (200, 4)
    assert found.names[found.mean_size.argmax()] == "age"


def test_cells_spelled_as_text_are_what_training_read(tmp_path):
    """Numbers with a decimal comma, dates and times of day have an order; words have none."""
    rng = np.random.default_rng(0)
    numbers, days = rng.normal(1000, 300, 200).round(2), pd.Timestamp("2020-01-01") + pd.to_timedelta(range(200), "D")
    rows = pd.DataFrame(
        {
            "revenue": [f"{n:.2f}".replace(".", ",") for n in numbers],
            "born": [f"{day:%d.%m.%Y}" for day in days],
            "time": [f"{k % 24:02d}:{k % 60:02d}" for k in range(200)],
            "y": numbers / 300 + np.arange(200) % 7,
        }
    )
    rows.loc[::10, ["revenue", "born"]] = "?"
    prep = table.prepare(rows, "y")
    model = jaxbm.MLP((len(prep.feature_names), 8, 1))
    jaxbm.save(tmp_path / "m", model, model.init(jax.random.key(0)), preparation=prep)
    saved = jaxbm.load(tmp_path / "m")
    found = understand.partial_dependence(saved, rows, "revenue", grid_points=10)
    known = pd.Series(np.where(np.arange(200) % 10 == 0, np.nan, numbers))
    want = understand.partial_dependence(saved, rows.assign(revenue=known), "revenue", grid_points=10)
    np.testing.assert_allclose(found.grid[0], want.grid[0])
    np.testing.assert_allclose(found.average, want.average, atol=1e-6)
    effects = understand.accumulated_local_effects(saved, rows, "revenue")
    assert effects.counts.sum() == 180
    dates = understand.partial_dependence(saved, rows, "born", grid_points=10).grid[0]
    typed = rows.assign(born=pd.to_datetime(rows.born, format="%d.%m.%Y", errors="coerce"))
    other = understand.partial_dependence(saved, typed, "born", grid_points=10).grid[0]
    assert dates.dtype.kind == other.dtype.kind == "M"
    assert (np.abs(dates - other) <= np.timedelta64(1, "s")).all()
    assert pd.Timestamp("2020-01-01") < dates[0] < dates[-1] < days[-1]
    assert understand.partial_dependence(saved, rows, "time", grid_points=10).grid[0].dtype.kind == "m"
    page = explanation(
        tmp_path / "e.html", saved, rows, understand.permutation_importance(jax.random.key(0), saved, rows),
        ["revenue", "born", "time"], command=["jaxbm"],
    )  # fmt: skip
    assert "too many to draw" not in page.read_text()


def test_rows_and_columns_that_cannot_be_asked_about_are_told(tmp_path):
    rows = frame(60).drop(columns="label").assign(same=3.0, day=pd.date_range("2020-01-01", periods=60))
    prep = table.prepare(rows, "price")
    model = jaxbm.MLP((len(prep.feature_names), 1))
    jaxbm.save(tmp_path / "m", model, model.init(jax.random.key(0)), preparation=prep)
    found = jaxbm.load(tmp_path / "m")
    for ask in (
        lambda none: understand.permutation_importance(jax.random.key(0), found, none),
        lambda none: understand.integrated_gradients(found, none),
        lambda none: understand.partial_dependence(found, none, "age"),
        lambda none: understand.accumulated_local_effects(found, none, "age"),
    ):
        with pytest.raises(ValueError, match="x: expected a table with at least one row, got none"):
            ask(rows.iloc[:0])
    with pytest.raises(
        ValueError, match=r"'same' is no feature of this model, since training left it out \(constant: "
    ):
        understand.partial_dependence(found, rows, "same")
    with pytest.raises(ValueError, match="expected one of numbers, 'day' holds dates"):
        understand.accumulated_local_effects(found, rows, "day")


def test_a_shared_trunk():
    model = jaxbm.BatchEnsemble(jaxbm.MLP((3, 8, 1)), members=4)
    params = model.init(jax.random.key(0))
    x = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    y = (x[:, 0] > 0).astype(int)
    found = understand.permutation_importance(jax.random.key(0), (model, params), x, y, metric="log_loss")
    raw = np.asarray(model.apply(params, x))
    assert found.baseline == pytest.approx(float(jaxbm.metrics.METRICS["log_loss"](raw[:, 0], y, None)), rel=1e-5)
    assert understand.partial_dependence((model, params), x, 0).average.shape == (50, 1)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda k, m, x, y: understand.permutation_importance(k, m, x, y), "metric: expected a name such as"),
        (lambda k, m, x, y: understand.permutation_importance(k, m, x, metric="mse"), "y: expected labels"),
        (lambda k, m, x, y: understand.permutation_importance(k, m, x, y[:3], metric="mse"), "y: expected 50 rows"),
        (lambda k, m, x, y: understand.permutation_importance(k, m, x, y, metric="msee"), "did you mean 'mse'"),
        (lambda k, m, x, y: understand.permutation_importance(k, m, x, y, metric="mse", orders=np.ones((1, 50), int)),
         "orders: expected a permutation of 0 to 49"),
        (lambda k, m, x, y: understand.partial_dependence(m, x, (0, 1, 2)), "columns: expected one column or two"),
        (lambda k, m, x, y: understand.partial_dependence(m, x, (0, 0)), "columns: expected two different ones"),
        (lambda k, m, x, y: understand.partial_dependence(m, x, 0, percentiles=(1, 0)), "percentiles: expected two"),
        (lambda k, m, x, y: understand.partial_dependence(m, pd.DataFrame(x), 0), "model without a preparation"),
        (lambda k, m, x, y: understand.partial_dependence(jaxbm.Ensemble(m[0], jax.tree.map(lambda a: a[None], m[1])),
                                                          x, 0), "task: expected 'classification' or 'regression'"),
    ],
)  # fmt: skip
def test_bad_arguments(call, match):
    model = jaxbm.MLP((3, 8, 1))
    x = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    with pytest.raises(ValueError, match=match):
        call(jax.random.key(0), (model, model.init(jax.random.key(0))), x, x[:, 0])
