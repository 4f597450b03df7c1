"""Tables with losses of counts, amounts, quantiles, distributions and ordered classes."""

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics
from support.commands import run

import jaxbm
from jaxbm import table, tabular
from jaxbm.losses import losses_for
from jaxbm.tabular.measuring import in_own_units

QUANTILES = "pinball_loss(quantiles=(0.1, 0.5, 0.9))"
SMALL = {"epochs": 2, "hidden": (4,), "batch_size": 64}
FOLDS = {"members": 2, "folds": 2, "bins": 3}


def rows(n=96, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2)).round(3)
    mean = np.exp(0.4 + x[:, 0])
    frame = pd.DataFrame(x, columns=["a", "b"])
    return frame.assign(
        shop=rng.choice(["n", "s"], n), count=rng.poisson(mean), amount=(900 * rng.gamma(2, mean) + 1).round(1),
        grade=np.digitize(x[:, 0], [-0.7, 0.0, 0.7]),
    )  # fmt: skip


def only(target):
    return rows()[["a", "b", target]]


@pytest.fixture(scope="module")
def counts():
    return tabular.fit(only("count"), "count", loss="poisson_deviance", **SMALL, **FOLDS)


def test_counts_are_predicted_as_means_and_judged_in_their_own_units(counts, tmp_path):
    frame = only("count")
    assert counts.preparation.task == "regression"  # though there are few different counts
    assert (counts.preparation.target_center, counts.model.n_outputs) == (0.0, 1)
    assert counts.preparation.target_scale == pytest.approx(frame["count"].mean())
    x = counts.preparation.features(frame)
    each = np.exp(counts.ensemble.logits(x)[..., 0].astype(np.float64)) * frame["count"].mean()
    highest = frame["count"].max()
    np.testing.assert_allclose(counts.predict(frame), np.minimum(each.mean(axis=0), highest), rtol=1e-6)
    found = counts.evaluate(frame)
    want = metrics.mean_poisson_deviance(frame["count"], counts.predict(frame))
    assert found["poisson_deviance"] == pytest.approx(want, rel=1e-4)
    assert found["mae"] == pytest.approx(metrics.mean_absolute_error(frame["count"], counts.predict(frame)))
    counts.save(tmp_path / "m")
    again = tabular.load(tmp_path / "m")
    assert again.ensemble.meaning == "log mean"
    np.testing.assert_array_equal(again.predict(frame), counts.predict(frame))
    assert again.evaluate(frame) == found


def test_out_of_fold_means_are_those_of_the_members_that_did_not_see_the_row(counts):
    x, y = counts.plan.training
    held = counts.plan.folds[0][1]
    raw = counts.ensemble.logits(x[held])[0]
    np.testing.assert_allclose(counts.out_of_fold[held], np.minimum(raw, np.log(y.max())), rtol=1e-5, atol=1e-6)


def test_what_explains_speaks_of_means(counts):
    frame = only("count")
    found = jaxbm.understand.partial_dependence(counts, frame, "a", grid_points=3)
    changed = frame.assign(a=found.grid[0][1])
    np.testing.assert_allclose(found.average[1, 0], counts.predict(changed).mean(), rtol=1e-4)
    told = counts.preparation.summary()
    assert "divided the target by its mean" in told
    assert "the logarithm of the mean that is predicted" in told


def test_several_quantiles_are_predicted_on_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    only("amount").to_csv("t.csv", index=False)
    options = ["--preset", "classic", "--epochs", 2, "--hidden", "4", "--loss", QUANTILES]
    status, out, err = run(capsys, "train", "t.csv", "--target", "amount", *options)
    assert status == 0, err
    assert "pinball" in out
    assert run(capsys, "predict", "model", "t.csv", "--out", "p.csv")[0] == 0
    found = pd.read_csv("p.csv")
    assert list(found) == ["amount", "amount quantile 0.1", "amount quantile 0.5", "amount quantile 0.9"]
    np.testing.assert_array_equal(found["amount"], found["amount quantile 0.5"])
    saved = tabular.load("model")
    found = saved.evaluate(rows())
    want = [
        metrics.mean_pinball_loss(rows()["amount"], values, alpha=q)
        for q, values in zip((0.1, 0.5, 0.9), saved.further(rows()).values(), strict=True)
    ]
    assert found["pinball"] == pytest.approx(np.mean(want), rel=1e-4)


def test_ordered_classes_have_probabilities_and_one_output_less():
    frame = only("grade")
    fitted = tabular.fit(frame, "grade", loss="ordinal_cross_entropy", **SMALL, **FOLDS)
    assert (fitted.classes, fitted.model.n_outputs) == ([0, 1, 2, 3], 3)
    p = fitted.probabilities(frame)
    assert p.shape == (96, 4)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-6)
    x = fitted.preparation.features(frame)
    np.testing.assert_allclose(p, fitted.ensemble.probabilities(x), atol=1e-6)
    np.testing.assert_array_equal(fitted.predict(frame), p.argmax(axis=1))
    assert fitted.evaluate(frame)["accuracy"] == pytest.approx((fitted.predict(frame) == frame["grade"]).mean())


@pytest.mark.parametrize("loss", losses_for("regression"))
def test_a_loss_in_its_own_units_is_that_of_the_target_itself(loss):
    """Of labels and outputs that are scaled alike, the mean loss is known from that of the scaled ones."""
    frame = only("amount")
    preparation = table.prepare(frame, "amount", loss=loss)
    outputs = np.random.default_rng(1).normal(size=(96, preparation.n_outputs)).astype(np.float32)
    if preparation.n_outputs == 1:
        outputs = outputs[:, 0]
    function, y = jaxbm.losses.LOSSES[loss], preparation.labels(frame)
    own = in_own_units(preparation, float(function(outputs, y).mean()))
    if not own:
        assert preparation.meaning in ("scores", "negative binomial")
        return
    scale, center = np.float32(preparation.target_scale), np.float32(preparation.target_center)
    if preparation.meaning == "log mean":
        outputs = outputs + np.log(scale)
    elif preparation.meaning == "gaussian":
        outputs = np.stack([outputs[:, 0] * scale + center, outputs[:, 1] + 2 * np.log(scale)], axis=1)
    else:
        outputs = outputs * scale + center
    (value,) = own.values()
    want = function(outputs, frame["amount"].to_numpy(np.float32)).mean()
    assert value == pytest.approx(float(want), rel=1e-4)


def test_predictions_and_their_spread_are_in_the_targets_units():
    frame = only("amount")
    gaussian = table.prepare(frame, "amount", loss="gaussian_nll")
    scale, center = gaussian.target_scale, gaussian.target_center
    raw = np.asarray([[0.5, np.log(4.0)]])
    np.testing.assert_allclose(gaussian.predicted(raw), 0.5 * scale + center)
    np.testing.assert_allclose(gaussian.further(raw)["amount deviation"], 2 * scale)
    counts = table.prepare(only("count"), "count", task="regression", loss="negative_binomial_nll")
    assert (counts.target_center, counts.target_scale, counts.n_outputs) == (0.0, 1.0, 2)
    raw = np.log([[3.0, 0.5]])
    np.testing.assert_allclose(counts.predicted(raw), 3.0)
    np.testing.assert_allclose(counts.further(raw)["count deviation"], np.sqrt(3 + 0.5 * 9))
    again = table.Preparation.from_dict(counts.to_dict())
    assert (again.loss, again.meaning, again.n_outputs) == ("negative_binomial_nll", "negative binomial", 2)


@pytest.mark.parametrize(
    ("target", "bad", "loss", "match"),
    [
        ("count", -3, "poisson_deviance", "aren't negative for loss 'poisson_deviance', got -3 in row 7"),
        ("count", -1, "negative_binomial_nll", "aren't negative for loss 'negative_binomial_nll', got -1 in row 7"),
        ("amount", 0, "gamma_deviance", "positive numbers for loss 'gamma_deviance', got 0 in row 7"),
        ("amount", 0, "tweedie_deviance(power=2.5)", "positive numbers for loss 'tweedie_deviance"),
        ("shop", "n", "poisson_deviance", "target 'shop': expected numbers for a regression, got 'n' in row 0"),
        ("amount", 1.5, "ordinal_cross_entropy", "loss for task 'regression': unknown name"),
    ],
)
def test_labels_out_of_a_losss_range_are_named(target, bad, loss, match):
    frame = rows()
    frame[target] = frame[target].astype(object)
    frame.loc[7, target] = bad
    with pytest.raises(ValueError, match=match):
        tabular.fit(frame.infer_objects(), target, loss=loss, preset="classic", **SMALL)


def test_rows_to_evaluate_have_labels_in_range_too(counts):
    frame = only("count")
    frame.loc[5, "count"] = -2
    with pytest.raises(ValueError, match=r"target 'count': expected numbers that aren't negative .* got -2 in row 5"):
        counts.evaluate(frame)


def test_groups_of_amounts_on_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rows()[["a", "shop", "amount"]].to_csv("t.csv", index=False)
    options = ["--group", "shop", "--target", "amount", "--loss", "gamma_deviance", "--epochs", 2, "--hidden", "4"]
    status, out, err = run(capsys, "groups", "t.csv", *options, "--no-report", "--out", "g")
    assert status == 0, err
    assert "Gamma deviance" in out
    assert run(capsys, "predict", "g", "t.csv", "--out", "p.csv")[0] == 0
    predicted = pd.read_csv("p.csv")["amount"]
    assert predicted.min() > 0
    assert 0.2 < predicted.mean() / rows()["amount"].mean() < 5
