"""Weights of rows and classes, bounds of a single network, and classes of mixed kinds."""

import numpy as np
import pandas as pd
import pytest

from jaxbm import table, tabular

SMALL = {"epochs": 12, "members": 3, "folds": 3, "hidden": (8,), "bins": 4, "learning_rate": 0.03}


def rows(n=120):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=n).round(3), "b": rng.uniform(size=n).round(3)})
    return frame.assign(y=np.where(frame["a"] > 0, "yes", "no"), price=(100 + 20 * frame["a"]).round(2))


def test_rows_without_weight_teach_nothing_and_a_class_may_count_more():
    frame = rows().drop(columns="price").assign(w=1.0)
    wrong = frame.assign(y=np.where(frame["y"] == "yes", "no", "yes"), b=frame["b"] + 2, w=0.0)
    both = pd.concat([frame, wrong, wrong.assign(b=wrong["b"] + 2)], ignore_index=True)
    fitted = tabular.fit(both, "y", sample_weight="w", class_weight={"yes": 1.5}, **SMALL)
    assert [column.name for column in fitted.preparation.columns] == ["a", "b"]
    assert "rows count by column 'w', which is no feature" in fitted.summary()
    assert fitted.plan.class_weight == {1: 1.5}
    assert fitted.evaluate(frame)["accuracy"] > 0.9
    assert fitted.evaluate(wrong)["accuracy"] < 0.3


def test_weights_follow_their_rows_into_both_parts():
    frame = rows().drop(columns="price")
    frame.loc[::7, "y"] = None
    weight = np.arange(len(frame)) + 1.0
    made = tabular.plan(frame, "y", "classic", sample_weight=weight, class_weight="balanced")
    kept = weight[frame["y"].notna()]
    np.testing.assert_array_equal(np.concatenate(made.weights), kept)
    assert len(made.weights[0]) == len(made.training[0])
    assert [len(part) for part in made.validation_data] == [len(made.weights[1])] * 3
    assert made.weighting["class_weight"] == "balanced"
    by_name = tabular.plan(frame.assign(w=weight), "y", "accurate", sample_weight="w")
    np.testing.assert_array_equal(by_name.weights[0], kept)
    assert by_name.weights[1] is None
    assert by_name.training[0].shape[1] == tabular.plan(frame, "y", "accurate").training[0].shape[1]


def test_a_search_judges_by_the_weights():
    frame = rows(40).drop(columns="price")
    weight = np.repeat([0.0, 1.0], 20)
    made = tabular.plan(frame, "y", "best", sample_weight=weight)
    p = np.full((2, 40, 2), 0.5)
    labels = made.training[1]
    p[0, :20] = np.eye(2)[labels[:20]]  # right where nothing counts
    p[1, 20:] = np.eye(2)[labels[20:]]
    np.testing.assert_allclose(tabular.search._judge(made)(p, labels), [np.log(2), 0.0])
    np.testing.assert_allclose(tabular.search._judge(made, slice(20, 40))(p[:, 20:], labels[20:]), [np.log(2), 0.0])
    made = tabular.plan(rows(40).drop(columns="y"), "price", "best", sample_weight=weight)
    outputs = np.stack([made.training[1], made.training[1] + 1])[..., None]
    outputs[0, :20] += 5
    np.testing.assert_allclose(tabular.search._judge(made)(outputs, made.training[1]), [0.0, 1.0], atol=1e-6)


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"sample_weight": "v"}, ValueError, "sample_weight: unknown name 'v'"),
        ({"sample_weight": "y"}, ValueError, "sample_weight: expected another column than the target, got 'y'"),
        (
            {"sample_weight": np.ones(5)},
            ValueError,
            r"sample_weight: expected shape \[120\] like the table, got \[5\]",
        ),
        ({"sample_weight": -np.ones(120)}, ValueError, "sample_weight: expected 0 to inf, got -1.0 at"),
        ({"sample_weight": [np.nan] * 120}, ValueError, "sample_weight: expected finite values"),
        ({"sample_weight": ["x"] * 120}, TypeError, "sample_weight: expected numbers or the name of a column"),
        ({"class_weight": {"maybe": 2}}, ValueError, "class_weight: expected classes among .*, got 'maybe'"),
        ({"class_weight": "equal"}, ValueError, "class_weight: expected 'balanced' or weights by class, got 'equal'"),
    ],
)
def test_bad_weights(options, error, match):
    with pytest.raises(error, match=match):
        tabular.fit(rows(), "y", **options)
    if "class_weight" in options:
        with pytest.raises(ValueError, match="class_weight: expected None, since the target 'price' is a quantity"):
            tabular.plan(rows(), "price", "classic", class_weight="balanced")


def test_a_single_network_is_kept_within_the_labels_too(tmp_path):
    frame = rows().drop(columns="y")
    options = {"members": 1, "folds": 0, "epochs": 2, "hidden": (4,), "validation_split": 0.2}
    fitted = tabular.fit(frame, "price", **options)
    far = frame.assign(a=1e4)
    assert fitted.predict(far).max() <= frame["price"].max() + 1e-3
    fitted.save(tmp_path / "m")
    np.testing.assert_array_equal(tabular.load(tmp_path / "m").predict(far), fitted.predict(far))
    assert "Results on test rows" in fitted.report(tmp_path / "r.html", test=frame, importance=False).read_text()


def test_classes_of_mixed_kinds_keep_them():
    frame = pd.DataFrame({"a": np.arange(60.0) % 7, "y": np.asarray([1, "one", 2] * 20, object)})
    made = table.prepare(frame, "y")
    assert made.class_array.tolist() == [1, 2, "one"]
    assert made.class_array.dtype == object
    assert table.prepare(frame.assign(y=[0.5, 1, 2] * 20), "y", task="multiclass").class_array.dtype == np.float64


def test_a_column_of_truth_values_weighs_and_one_of_words_is_refused():
    from jaxbm.tabular.weights import row_weights

    frame = pd.DataFrame(
        {"w": [True, False, True], "v": ["1,5", "n.a.", "2,5"], "s": ["much", "2", None], "y": [0, 1, 0]}
    )
    for column in (frame["w"], frame["w"].astype("boolean")):
        rest, weight = row_weights(frame.assign(w=column), "y", "w")
        assert "w" not in rest.columns
        np.testing.assert_array_equal(weight, [1, 0, 1])
    with pytest.raises(
        ValueError, match=r"sample_weight: expected numbers in column 's', got 'much' in row 0 \(1 in"
    ):
        row_weights(frame, "y", "s")
    with pytest.raises(ValueError, match=r"sample_weight: expected numbers in column 'v', got 'n\.a\.' in row 1"):
        row_weights(frame, "y", "v")
