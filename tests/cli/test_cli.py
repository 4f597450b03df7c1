import json

import jax
import numpy as np
import pandas as pd
import pytest
from support.children import python
from support.commands import run

import jaxbm
from jaxbm import table
from jaxbm.kernels.native import native


@pytest.mark.parametrize("name", ["iris", "breast_cancer", "diabetes"])
def test_train_evaluate_predict(name, tmp_path, capsys):
    rows, target = table.demo(name)
    rows.to_csv(tmp_path / "data.csv", index=False)
    folder = tmp_path / "model"
    argv = ["train", tmp_path / "data.csv", "--target", target, "--epochs", 3, "--preset", "classic"]
    status, out, _ = run(capsys, *argv, "--out", folder)
    assert status == 0
    for words in ("standardised", "parameters", "compilation", "train", "validation", "test", "model saved in"):
        assert words in out
    status, out, _ = run(capsys, "evaluate", folder, tmp_path / "data.csv")
    assert (status, f"{len(rows)} rows" in out) == (0, True)
    rows.drop(columns=target).to_csv(tmp_path / "new.csv", index=False)
    status, out, _ = run(capsys, "predict", folder, tmp_path / "new.csv", "--out", tmp_path / "p.csv")
    predicted = pd.read_csv(tmp_path / "p.csv")
    assert len(predicted) == len(rows)
    if name == "diabetes":
        assert 20 < predicted[target].mean() < 300
    else:
        np.testing.assert_allclose(predicted.filter(like="probability").sum(axis=1), 1, rtol=1e-6)
        assert set(predicted[target]) <= set(rows[target])


def test_every_option(tmp_path, capsys):
    options = "--preset classic --hidden 8,4 --activation tanh --weight-init he_normal --loss huber_loss"
    options += " --optimizer sgd --patience 2 --learning-rate 0.1 --epochs 4 --batch-size 16 --l2 1e-4"
    options += " --dropout 0.1 --clip-norm 1 --noise 0.1"
    options += " --mask 0.1 --test-size 0.3 --validation-split 0 --seed 3 --task regression"
    status, out, err = run(capsys, "train", "--demo", "diabetes", *options.split(), "--out", tmp_path / "m")
    assert (status, err) == (0, "")
    assert "validation" not in out.split("Training")[1]
    assert jaxbm.load(tmp_path / "m").model.sizes == (10, 8, 4, 1)


def messy():
    rng = np.random.default_rng(0)
    n = 300
    columns = {
        "age": rng.normal(40, 10, n).round(1),
        "city": rng.choice(["Paris", "Rome", None], n),
        "name": [f"person {i}" for i in range(n)],
        "constant": 1,
        "empty": np.nan,
    }
    rows = pd.DataFrame(columns)
    rows["label"] = np.where(rows.age + rng.normal(0, 5, n) > 40, "yes", "no")
    rows.loc[[3, 7], "label"] = None
    rows.loc[5, "age"] = np.inf
    return pd.concat([rows, rows.iloc[:4]])


def test_a_messy_table_is_told_and_evaluated(tmp_path, capsys):
    rows, data, folder = messy(), tmp_path / "data.csv", tmp_path / "m"
    rows.to_csv(data, index=False)
    argv = ["train", data, "--target", "label", "--epochs", 2, "--preset", "classic"]
    status, out, _ = run(capsys, *argv, "--out", folder)
    assert status == 0
    for words in (
        "304 rows, 5 columns and the target 'label'",
        "dropped 3 rows without a label",
        "found 3 duplicate rows",
        "split at random: 192 training, 48 validation, 61 test",
        "dropped constant columns: constant",
        "dropped empty columns: empty",
        "dropped identifiers, different in nearly every row or every few rows: name",
        "took 1 infinite value as missing",
        "with an indicator: ",
    ):
        assert words in out
    assert "dropped 3 rows" in jaxbm.load(folder).preparation.summary()
    rows.assign(city="Oslo").to_csv(data, index=False)
    status, out, err = run(capsys, "evaluate", folder, data)
    assert status == 0
    assert "left out 3 rows without a label" in out
    assert "301 rows" in out
    assert "warning: column 'city': 301 rows hold categories that training did not see (Oslo)" in err


def test_early_stopping_is_told_and_implementations_are_named(tmp_path, capsys):
    command = ("train", "--demo", "iris", "--preset", "classic", "--epochs", 200, "--patience", 2)
    outs = []
    for name in ("xla", None):
        chosen = () if name is None else ("--implementation", name)
        status, out, _ = run(capsys, *command, "--learning-rate", 0.05, *chosen, "--out", tmp_path / "m")
        assert status == 0
        assert "stopped early" in out
        assert "kept the parameters of epoch" in out
        outs.append(out.split("MODEL")[0].split("Training")[0])
    assert outs[0] == outs[1]
    test = jaxbm.load(tmp_path / "m").metadata["metrics"]["test"]
    assert test["accuracy"] > 0.85


def test_no_command_prints_the_help(capsys):
    status, out, _ = run(capsys)
    assert status == 2
    for command in ("train", "evaluate", "predict", "info"):
        assert command in out


def test_the_bar_goes_to_a_terminal_alone(tmp_path):
    argv = ["train", "--demo", "iris", "--epochs", "3", "--no-report", "--out", tmp_path / "m"]
    out = python("-m", "jaxbm", *argv)
    assert out.stderr == ""
    assert "\x1b" not in out.stdout


def test_info(capsys):
    status, out, _ = run(capsys, "info")
    assert status == 0
    assert jaxbm.__version__ in out
    assert "xla: on" in out
    assert ("cpu: on" in out) == (native().reason is None)
    assert "tpu: off, " in out


@pytest.mark.parametrize(
    ("argv", "match"),
    [
        (["train", "none.csv", "--target", "y"], "none.csv: no such file"),
        (["train", "none.csv"], "none.csv: no such file"),
        (["train", "--demo", "iris", "--seed", "-1"], "seed: expected 0 to 4294967295, got -1"),
        (["train", "--demo", "iris", "--seed", f"{2**32}", "--test-size", "0"], "seed: expected 0 to 4294967295"),
        (["train"], "expected either a CSV file or --demo"),
        (["train", "--demo", "irs"], "did you mean 'iris'"),
        (["train", "--demo", "iris", "--activation", "rellu"], "did you mean 'relu'"),
        (["train", "--demo", "iris", "--epochs", "-1"], "epochs: expected at least 1"),
        (["train", "--demo", "iris", "--optimizer", "sgd", "--learning-rate", "-1"], "learning_rate: expected"),
        (["train", "--demo", "iris", "--loss", "hinge_loss"], "loss for task 'multiclass': unknown name"),
        (
            ["train", "--demo", "iris", "--preset", "classic", "--validation-split", "1"],
            "validation_split: expected a fraction",
        ),
        (["train", "--demo", "iris", "--validation-split", "0.2"], "validation_split: expected 0 beside folds"),
        (["train", "--demo", "iris", "--folds", "1"], "folds: expected at least 2"),
        (["train", "--demo", "iris", "--folds", "60"], "folds: expected at most as many as the rarest class has"),
        (
            ["train", "--demo", "iris", "--preset", "classic", "--test-size", "0"],
            "--test-size: expected more than 0 where no folds tell",
        ),
        (["train", "--demo", "iris", "--implementation", "xlaa"], "did you mean 'xla'"),
        (["train", "--demo", "iris", "--out", __file__], "expected a folder, "),
        (["train", "--demo", "iris", "--target", "other"], "'other'"),
        (["train", "--demo", "iris", "--sep", ";"], "--sep: expected none with --demo"),
        (["groups", "--demo", "iris", "--no-header", "--group", "g"], "--header: expected none with --demo"),
        (["train", "--demo", "iris", "--preset", "classic", "--bins", "4"], "bins: expected none with numbers"),
        (["train", "--demo", "iris", "--frequencies", "4"], "frequencies: expected none with numbers"),
        (["sweep", "--demo", "iris", "--bins", "4"], "--bins: expected none beside --numbers standard"),
        (["sweep", "--demo", "iris", "--grid-points", "4"], "--grid-points: expected none with --method random"),
        (["sweep", "--demo", "iris", "--min-epochs", "4"], "--min-epochs: expected none without --halving"),
        (["sweep", "--demo", "iris", "--folds", "3", "--validation-split", "0.1"], "expected none beside --folds"),
        (["train", "--demo", "iris", "--example-clip-norm", "2"], "--example-clip-norm: expected --epsilon or"),
        (["train", "--demo", "iris", "--report", "r.html", "--no-report"], "--report: expected none beside"),
        (["explain", "m", "d.csv", "--out", "r.html", "--no-pictures"], "--out: expected none beside --no-pictures"),
        (["info", "--target", "y"], "--target: expected none without a file"),
        (["predict", "nowhere", "none.csv"], "no such file; expected a folder that jaxbm saved"),
    ],
)
def test_errors_are_one_line(argv, match, capsys):
    status, _, err = run(capsys, *argv)
    assert status == 2
    assert match in err
    assert err.count("\n") == 1


def test_predictions_in_a_fresh_process_are_bit_identical(tmp_path):
    model = jaxbm.MLP((4, 8, 2), activation=("silu",), use_bias=False)
    params = model.init(jax.random.key(0))
    x = np.random.default_rng(0).normal(size=(33, 4)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    jaxbm.save(tmp_path / "m", model, params, metadata={"note": "kept"})
    code = (
        "import sys, numpy as np, jaxbm; s = jaxbm.load(sys.argv[1] + '/m'); x = np.load(sys.argv[1] + '/x.npy');"
        "np.save(sys.argv[1] + '/p.npy', jaxbm.predict(s.model, s.params, x)); print(s.metadata['note'])"
    )
    out = python("-c", code, tmp_path)
    assert out.stdout.strip() == "kept"
    np.testing.assert_array_equal(np.load(tmp_path / "p.npy"), jaxbm.predict(model, params, x))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_save_and_load(tmp_path, dtype):
    model = jaxbm.MLP((4, 8, 2), param_dtype=dtype)
    params = model.init(jax.random.key(0))
    for _ in range(2):  # the second time replaces the first
        jaxbm.save(tmp_path / "m", model, params)
    saved = jaxbm.load(tmp_path / "m")
    assert saved.model == model
    for got, want in zip(jax.tree.leaves(saved.params), jax.tree.leaves(params), strict=True):
        assert got.dtype == want.dtype
        np.testing.assert_array_equal(got.astype("float32"), want.astype("float32"))


def test_damaged_and_foreign_files(tmp_path):
    model = jaxbm.MLP((4, 2))
    folder = tmp_path / "m"
    jaxbm.save(folder, model, model.init(jax.random.key(0)))
    (path,) = folder.glob("arrays-*.safetensors")
    arrays, text = path.read_bytes(), (folder / "model.json").read_text()
    path.write_bytes(arrays[:-1])
    with pytest.raises(ValueError, match="damaged, its checksum"):
        jaxbm.load(folder)
    path.write_bytes(arrays)
    changed = json.loads(text) | {"version": 99}
    wider = json.loads(text)
    del wider["checksum"]  # as in older files, so that the rest is looked at
    wider["model"]["sizes"] = [5, 2]
    for bad, match in (
        (text[:-9], "not readable as JSON"),
        ("{}", "some other JSON file"),
        (json.dumps(changed), "expected format version 1 to 2, got 99"),
        (json.dumps(wider), "parts do not fit"),
    ):
        (folder / "model.json").write_text(bad)
        with pytest.raises(ValueError, match=match):
            jaxbm.load(folder)
    with pytest.raises(FileNotFoundError, match="expected a folder that jaxbm saved"):
        jaxbm.load(tmp_path)
    with pytest.raises(ValueError, match="holds something that is not a saved model"):
        jaxbm.save(tmp_path, model, model.init(jax.random.key(0)))
