"""`jaxbm.tabular.fit`: presets, folds, out-of-fold predictions, what is saved and told."""

import json

import jax
import numpy as np
import pandas as pd
import pytest

import jaxbm
from jaxbm import tabular
from jaxbm.cli import main
from jaxbm.tabular.folds import member_folds
from jaxbm.tabular.recipes import recipe_of

SMALL = {"epochs": 6, "members": 5, "folds": 4, "hidden": (8,), "bins": 4}


def rows(n=120, seed=0):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"a": rng.normal(size=n).round(3), "b": rng.uniform(size=n).round(3)})
    frame["word"] = rng.choice(["x", "y", "z"], n)
    frame["y"] = np.where(frame["a"] + (frame["word"] == "x") > 0.3, "yes", "no")
    frame["price"] = (100 + 20 * frame["a"] ** 2 + 5 * frame["b"]).round(2)
    return frame


@pytest.fixture(scope="module")
def classes():
    return tabular.fit(rows(), "y", drop=["price"], learning_rate=0.03, **SMALL)


@pytest.fixture(scope="module")
def quantity():
    return tabular.fit(rows(), "price", drop=["y"], **SMALL)


def test_out_of_fold_predictions_are_those_of_the_members_that_did_not_see_the_row(classes):
    x, y = classes.plan.training
    p = np.zeros((len(x), 2))
    count = np.zeros(len(x))
    for k, (train, held) in enumerate(classes.plan.folds):
        assert set(train) | set(held) == set(range(len(x)))
        assert not set(train) & set(held)
        one = jaxbm.Ensemble(classes.model, [jax_leaf(layer, k) for layer in classes.params])
        p[held] += one.probabilities(x[held])
        count[held] += 1
    assert set(count) == {1, 2}  # five members on four folds
    logits = classes.out_of_fold[:, 0]
    np.testing.assert_allclose(1 / (1 + np.exp(-logits)), (p / count[:, None])[:, 1], rtol=1e-4, atol=1e-6)
    found = classes.metrics["out of fold"]["accuracy"]
    assert found == pytest.approx(((logits > 0) == y).mean())
    assert found > 0.8


def jax_leaf(layer, k):
    import jax

    return jax.tree.map(lambda leaf: leaf[k : k + 1], layer)


def test_it_predicts_and_comes_back_from_its_folder(classes, quantity, tmp_path):
    frame = rows(30, seed=1)
    for fitted, name in ((classes, "c"), (quantity, "q")):
        fitted.save(tmp_path / name)
        back = tabular.load(tmp_path / name)
        np.testing.assert_array_equal(back.predict(frame), fitted.predict(frame))
        assert back.evaluate(frame) == fitted.evaluate(frame)
        assert back.metadata["preset"] == "accurate"
    p = classes.probabilities(frame)
    np.testing.assert_array_equal(np.asarray(classes.classes)[p.argmax(axis=1)], classes.predict(frame))
    assert "5 networks, each validated on one of 4 folds" in classes.summary()
    with pytest.raises(ValueError, match="probabilities: expected classes, the target 'price' is a quantity"):
        quantity.probabilities(frame)
    found = jaxbm.understand.permutation_importance(_key(), classes, frame, repeats=2)
    assert set(found.names) == {"a", "b", "word"}


def _key():
    import jax

    return jax.random.key(0)


def test_quantities_stay_between_the_least_and_the_greatest_label(quantity, tmp_path):
    far = rows(20, seed=2).assign(a=1e3)
    low, high = rows()["price"].min(), rows()["price"].max()
    assert np.abs(jaxbm.Ensemble(quantity.model, quantity.params).mean(quantity.preparation.features(far))).max() > 5
    predicted = quantity.predict(far)
    assert low - 1e-3 <= predicted.min()
    assert predicted.max() <= high + 1e-3
    quantity.save(tmp_path / "q")
    np.testing.assert_array_equal(tabular.load(tmp_path / "q").predict(far), predicted)
    shown = jaxbm.understand.predictor.predictor_of(quantity)
    x = quantity.preparation.features(far)
    got = jaxbm.understand.predictor.outputs(shown.kind, shown.numbers, x)[:, 0]
    np.testing.assert_allclose(got, predicted, rtol=1e-5)
    with pytest.raises(ValueError, match="bounds: expected the lower and the upper one"):
        jaxbm.Ensemble(quantity.model, quantity.params, bounds=(2.0, 1.0))


def test_a_report_shows_what_is_out_of_fold(quantity, tmp_path):
    text = quantity.report(tmp_path / "r.html", importance=False).read_text()
    assert "Results on out of fold rows" in text
    assert f"{quantity.metrics['out of fold']['rmse']:.4g}" in text


def test_the_command_trains_the_accurate_preset_and_reads_it_again(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows().drop(columns="price").to_csv("t.csv", index=False)
    words = ["train", "t.csv", "--target", "y", "--members", "5", "--folds", "4", "--epochs", "3", "--hidden", "8"]
    assert main([*words, "--test-size", "0", "--no-report", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["preset"], found["members"], set(found["metrics"])) == ("accurate", 5, {"out of fold"})
    assert main(["evaluate", "model", "t.csv"]) == 0
    assert main(["predict", "model", "t.csv", "--out", "p.csv"]) == 0
    p = tabular.load("model").probabilities(rows())
    np.testing.assert_allclose(pd.read_csv("p.csv").filter(like="probability"), p, rtol=1e-5, atol=1e-7)


def test_copies_of_a_row_lie_in_one_fold_and_classes_in_all():
    frame = rows(80)
    frame = pd.concat([frame, frame.iloc[:20], frame.iloc[:20]], ignore_index=True)
    codes = (frame["y"] == "yes").to_numpy().astype(int)
    found, told = member_folds(frame, codes, 6, 4, seed=3)
    assert told == []
    assert len(found) == 6
    for train, held in found:
        held = set(held)
        assert all(len({i in held, i + 80 in held, i + 100 in held} & {True, False}) == 1 for i in range(20))
        assert set(codes[list(held)]) == {0, 1}
        assert len(train) + len(held) == len(frame)
    assert not np.array_equal(found[0][1], found[4][1]), "the second round has other folds"


def test_rare_classes_and_few_rows():
    frame = pd.DataFrame({"a": np.arange(20.0)})
    codes = np.asarray([0] * 17 + [1] * 3)
    found, told = member_folds(frame, codes, 4, 8, names=["no", "yes"])
    assert [len(held) for _, held in found] == [3, 3, 3, 3] or sum(len(held) for _, held in found) in range(8, 14)
    assert told == ["warning: class 'yes' has 3 rows, fewer than 8 folds: some folds have none of it"]
    with pytest.raises(ValueError, match="folds: expected at most as many as the rarest class has rows; class 'yes'"):
        member_folds(frame, codes, 4, 8, names=["no", "yes"], strict=True)
    found, told = member_folds(frame.head(5), None, 4, 8)
    assert told == ["5 folds, since there are no more rows"]
    with pytest.raises(ValueError, match="folds: expected at least 8 rows for 8 folds, got 5"):
        member_folds(frame.head(5), None, 4, 8, strict=True)
    found, _ = member_folds(frame.head(5), np.arange(5), 2, 8)  # each class once
    assert len(found) == 2


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"preset": "acurate"}, "preset: unknown name 'acurate'; did you mean 'accurate'"),
        ({"member": 3}, "tabular.fit: unknown name 'member'; did you mean 'members'"),
        ({"validation_split": 0.2}, "validation_split: expected 0 beside folds"),
        ({"folds": 1}, "folds: expected at least 2"),
        ({"folds": 200}, "folds: expected at least 200 rows for 200 folds, got 120"),
        (
            {"numbers": {"word": "piecewise"}},
            "numbers: expected a number column for encoding 'piecewise', got 'word'",
        ),
        ({"numbers": "ple"}, "numbers: unknown name 'ple'"),
        ({"loss": "hinge_loss"}, "loss for task 'regression': unknown name 'hinge_loss'"),
        ({"loss": "cox_loss"}, "loss for task 'regression': unknown name 'cox_loss'"),
        ({"loss": "pinball_loss(quantiles=(0.1, 1.0))"}, "quantiles: expected 0 to 1, the ends excluded, got 1.0"),
        ({"members": 0}, "members: expected at least 1, got 0"),
    ],
)
def test_bad_input(changes, match):
    with pytest.raises(ValueError, match=match):
        tabular.fit(rows(), "price", **changes)


@pytest.mark.parametrize(
    "loss", ["pinball_loss(quantiles=0.9)", jaxbm.losses.loss("pinball_loss", quantiles=0.9)], ids=["text", "made"]
)
def test_a_loss_has_its_hyper_parameters(loss):
    made = tabular.plan(rows().drop(columns="y"), "price", "classic", changes={"loss": loss})
    assert made.loss == "pinball_loss(quantiles=0.9)"


def test_a_target_that_is_the_same_in_each_row():
    with pytest.raises(ValueError, match=r"target 'price': expected a quantity that varies, got 2\.5 in each row"):
        tabular.fit(rows().assign(price=2.5), "price")
    with pytest.raises(ValueError, match="target 'y': expected two or more classes, got only 'yes'"):
        tabular.fit(rows().assign(y="yes"), "y")


def test_a_single_name_or_mark_is_not_its_letters():
    frame = rows().assign(word="NA")
    made = jaxbm.table.prepare(frame.assign(word=["N", "A", "NA", "x"] * 30), "y", drop="price", missing="NA")
    assert [column.name for column in made.columns] == ["a", "b", "word"]
    word = made.columns[-1]
    assert set(word.categories) >= {"N", "A", "x"}
    with pytest.raises(
        TypeError,
        match="frame: expected a table of pandas, Polars or PyArrow, got a ndarray; pandas",
    ):
        tabular.fit(frame.to_numpy(), "y")
    with pytest.raises(TypeError, match=r"hidden: expected widths such as \(64, 32\), got 64"):
        tabular.fit(frame, "y", hidden=64)


def test_marks_for_missing_labels_are_no_class():
    frame = rows().drop(columns="price")
    frame.loc[::10, "y"] = "?"
    made = tabular.plan(frame, "y", "accurate", columns={"missing": ["?"]})
    assert made.preparation.classes == ["no", "yes"]
    assert len(made.training[1]) == 108


def test_long_tables_get_larger_batches_and_fewer_epochs():
    sizes = {n: recipe_of("accurate", {}, n).training for n in (100, 4_000, 16_000, 1_000_000)}
    assert [s["batch_size"] for s in sizes.values()] == [32, 32, 128, 512]
    assert [s["epochs"] for s in sizes.values()] == [200, 200, 200, 30]
    assert recipe_of("accurate", {"batch_size": 8}, 4_000).training["epochs"] == 120
    classic = recipe_of("classic", {}, 1_000_000)
    assert (classic.training["batch_size"], classic.training["epochs"], classic.learning_rate) == (32, 10, 1e-3)
    assert (classic.hidden, classic.members, classic.folds, classic.validation_split) == ((64, 32), 1, 0, 0.2)


def test_guarded_transfers(tmp_path):
    with jax.transfer_guard("disallow"):
        fitted = tabular.fit(rows(), "y", preset="classic", epochs=1, hidden=(4,))
        assert fitted.probabilities(rows(3)).shape == (3, 2)
        assert fitted.evaluate(rows(9))
        assert fitted.report(tmp_path / "report.html").exists()
