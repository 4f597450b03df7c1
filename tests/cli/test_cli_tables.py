"""Messy tables on the command line: as accurate as clean ones, told, and read again as they were read."""

import io
import json
import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from support.commands import run

import jaxbm
from jaxbm import table
from jaxbm.cli import options

N = 600
CLASSIC = ("--preset", "classic")
RNG = np.random.default_rng(0)


def clean():
    """Two numbers, codes and a label that depends on all of them."""
    rng = np.random.default_rng(7)
    frame = pd.DataFrame({"amount": rng.normal(2000, 600, N).round(2), "share": rng.uniform(0, 90, N).round(1)})
    frame["code"] = rng.choice(["A15", "012", "007"], N)
    score = (frame.amount - 2000) / 200 + (frame["share"] - 45) / 15 + 2 * (frame.code == "012") - 0.7
    frame["y"] = np.where(score + rng.logistic(0, 0.5, N) > 0, "yes", "no")
    return frame


def marks(frame):
    """A few `?` where the clean table has empty cells."""
    holes = frame.copy()
    holes.loc[::40, "amount"] = np.nan
    text = holes["amount"].map("{:.2f}".format).where(holes["amount"].notna(), "?")
    return holes, holes.assign(amount=text).to_csv(index=False).encode()


def european(frame):
    return frame, frame.to_csv(index=False, sep=";", decimal=",", quoting=1).encode("cp1252")


def dressed(frame):
    text = frame.assign(amount=frame.amount.map("${:,.2f}".format), share=frame["share"].map("{:.1f}%".format))
    return frame, text.to_csv(index=False).encode("utf-16")


def trailing(frame):
    head, *rows = frame.to_csv(index=False).splitlines()
    return frame, "\n".join([head, *(row + "," for row in rows)]).encode()


def sorted_and_indexed(frame):
    """Sorted by class, with the index that pandas writes: it knows the label."""
    ordered = frame.sort_values("y").reset_index(drop=True)
    return ordered, ordered.assign(CustomerId=15_000_000 + np.arange(N) * 7).to_csv().encode()


def sentinels(frame):
    """A reader that doesn't look for them sees nothing else."""
    holes = frame.copy()
    holes.loc[::40, "amount"] = np.nan
    return holes, holes.to_csv(index=False, na_rep="1e30").encode()


def nones(frame):
    """A class that is called like a mark for a missing value."""
    renamed = frame.assign(y=frame.y.replace("no", "None"))
    return frame, renamed.to_csv(index=False).encode()


MESS = [marks, european, dressed, trailing, sorted_and_indexed, sentinels, nones]


@pytest.mark.parametrize("mess", MESS)
def test_a_messy_copy_gives_the_accuracy_of_the_clean_table(mess, tmp_path, capsys):
    tidy, messy = mess(clean())
    tidy.to_csv(tmp_path / "tidy.csv", index=False)
    (tmp_path / "messy.csv").write_bytes(messy)
    more = ["--missing", "1e30"] if mess is sentinels else []
    accuracy = {}
    for name in ("tidy", "messy"):
        argv = ["train", *CLASSIC, tmp_path / f"{name}.csv", "--target", "y", "--epochs", 8, "--out", tmp_path / name]
        status, out, err = run(capsys, *argv, *(more if name == "messy" else []))
        assert (status, err) == (0, ""), err
        assert "95% interval" in out
        accuracy[name] = jaxbm.load(tmp_path / name).metadata["metrics"]["test"]["accuracy"]
    assert accuracy["tidy"] > 0.8
    assert abs(accuracy["messy"] - accuracy["tidy"]) < 0.01
    # evaluated and predicted from the same file, read in the same way
    status, out, err = run(capsys, "evaluate", tmp_path / "messy", tmp_path / "messy.csv")
    assert (status, err) == (0, "")
    assert f"{N} rows" in out
    assert run(capsys, "predict", tmp_path / "messy", tmp_path / "messy.csv", "--out", "p.csv")[0] == 0
    predicted = pd.read_csv("p.csv", keep_default_na=False)["y"].replace("None", "no")
    assert (predicted == tidy.y).mean() > 0.85


def test_a_quantity_with_one_bad_row(tmp_path, capsys):
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"x": rng.normal(size=300)})
    frame["y"] = (3 * frame.x + rng.normal(0, 0.1, 300)).round(3)
    r2 = {}
    for name, cell in (("clean", ""), ("messy", "?")):
        frame.assign(y=frame.y.astype(object).where(frame.index != 41, cell)).to_csv(tmp_path / "t.csv", index=False)
        status, out, _ = run(capsys, "train", *CLASSIC, tmp_path / "t.csv", "--target", "y", "--out", tmp_path / name)
        assert status == 0
        assert "dropped 1 row without a label: 1 " in out
        assert "(row 41)" in out
        r2[name] = jaxbm.load(tmp_path / name).metadata["metrics"]["test"]["r2"]
    assert r2["messy"] == pytest.approx(r2["clean"], abs=1e-6)
    assert run(capsys, "evaluate", tmp_path / "messy", tmp_path / "t.csv")[1].startswith("left out 1 row ")


def test_a_sentinel_names_its_column(tmp_path, capsys):
    frame = clean()
    frame.loc[::40, "amount"] = 1e30
    frame.to_csv(tmp_path / "t.csv", index=False)
    status, _, err = run(capsys, "train", *CLASSIC, tmp_path / "t.csv", "--target", "y")
    assert status == 2
    assert "column 'amount'" in err
    assert "--missing 1e+30" in err
    assert err.count("\n") == 1
    assert not pathlib.Path("model").exists()


def test_labels_of_an_evaluation_file_that_holds_digits_only(tmp_path, capsys):
    frame = clean()
    frame["y"] = frame.y.map({"no": "0", "yes": "1"})
    frame.loc[::6, "y"] = "unknown"
    frame.to_csv(tmp_path / "t.csv", index=False)
    assert run(capsys, "train", *CLASSIC, tmp_path / "t.csv", "--target", "y", "--epochs", 3, "--out", "m")[0] == 0
    frame[(frame.y != "unknown") & (frame.code != "A15")].to_csv(tmp_path / "digits.csv", index=False)
    status, _, err = run(capsys, "evaluate", "m", tmp_path / "digits.csv")
    assert (status, err) == (0, "")


def test_groups_are_read_as_in_training(tmp_path, capsys):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"shop": rng.choice(["007", "012", "A1"], 300), "a": rng.normal(size=300)})
    frame["sales"] = np.where(frame.shop == "007", frame.a, -frame.a) * 10
    frame.to_csv(tmp_path / "t.csv", index=False)
    argv = ["groups", tmp_path / "t.csv", "--group", "shop", "--target", "sales", "--epochs", 60, "--out", "g"]
    assert run(capsys, *argv)[0] == 0
    digits = frame[frame.shop != "A1"]
    digits.to_csv(tmp_path / "digits.csv", index=False)
    status, _, _ = run(capsys, "predict", "g", tmp_path / "digits.csv", "--out", "p.csv")
    assert status == 0
    assert np.abs(pd.read_csv("p.csv")["sales"].to_numpy() - digits.sales).mean() < 3


def test_a_headerless_file(tmp_path, capsys):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 100, (200, 3))
    rows = np.c_[x, x[:, 0] > 50].astype(int)
    np.savetxt(tmp_path / "t.csv", rows, fmt="%d", delimiter=",")
    status, _, err = run(capsys, "train", *CLASSIC, tmp_path / "t.csv", "--target", "3")
    assert status == 2
    assert "--no-header" in err
    status, out, _ = run(capsys, "train", *CLASSIC, tmp_path / "t.csv", "--target", "3", "--no-header", "--out", "m")
    assert status == 0
    assert "200 rows, 3 columns and the target '3'" in out
    assert run(capsys, "evaluate", "m", tmp_path / "t.csv", "--no-header")[0] == 0


def test_info_of_a_table_and_its_types(tmp_path, capsys):
    frame = clean().assign(**{"size [m]": 1.5 * np.arange(N) ** 0.5, "id": range(N), "same": 1})
    frame.to_csv(tmp_path / "t.csv", index=False)
    status, out, _ = run(capsys, "info", tmp_path / "t.csv", "--target", "y", "--write-types", "types.toml")
    assert status == 0
    for words in ("size [m]", "number: every cell is a number", "identifier: 600 different", "constant: every row"):
        assert words in out
    assert "0% missing" in out
    assert "a standardised feature and 16 piecewise ones" in out  # as `train` does it, unless told otherwise
    plain = run(capsys, "info", tmp_path / "t.csv", "--target", "y", "--numbers", "standard")[1]
    assert "piecewise" not in plain
    assert not pathlib.Path("model").exists()
    assert table.read_types("types.toml")["code"] == "category"
    assert '"code" = "category"' in out
    text = pathlib.Path("types.toml").read_text().replace('"id" = "identifier"', '"id" = "number"')
    pathlib.Path("types.toml").write_text(text)
    argv = ["train", *CLASSIC, tmp_path / "t.csv", "--target", "y", "--epochs", 1, "--out", "m"]
    assert run(capsys, *argv, "--types", "types.toml")[0] == 0
    assert "id" in jaxbm.load("m").preparation.feature_names
    assert run(capsys, *argv, "--keep", "id", "--drop", "code", "share")[0] == 0
    assert jaxbm.load("m").preparation.feature_names == ["amount", "size [m]", "id"]
    status, _, err = run(capsys, *argv, "--drop", "cod")
    assert (status, "drop: unknown name 'cod'; did you mean 'code'" in err) == (2, True)
    status, _, err = run(capsys, "info", tmp_path / "t.csv")
    assert (status, "--target: expected the column" in err) == (2, True)


def test_standard_input(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(clean().to_csv(index=False).encode())))
    assert run(capsys, "train", *CLASSIC, "-", "--target", "y", "--epochs", 1, "--out", "m")[0] == 0
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(clean().head(5).to_csv(index=False).encode())))
    assert run(capsys, "predict", "m", "-", "--out", "p.csv")[0] == 0
    assert len(pd.read_csv("p.csv")) == 5


def test_parquet(tmp_path, capsys):
    pytest.importorskip("pyarrow")
    clean().to_parquet(tmp_path / "t.parquet")
    argv = ["train", *CLASSIC, tmp_path / "t.parquet", "--target", "y", "--epochs", 1, "--out", "m"]
    assert run(capsys, *argv)[0] == 0
    clean().to_csv(tmp_path / "t.csv", index=False)
    assert run(capsys, "evaluate", "m", tmp_path / "t.csv")[0] == 0


def test_predictions_never_replace_the_table(tmp_path, capsys):
    data = tmp_path / "t.csv"
    clean().to_csv(data, index=False)
    assert run(capsys, "train", *CLASSIC, data, "--target", "y", "--epochs", 1, "--out", "m")[0] == 0
    before = data.read_bytes()
    (tmp_path / "link.csv").symlink_to(data)
    for out, match in (
        (data, "expected another file than the table itself"),
        (tmp_path / "link.csv", "expected another file than the table itself"),
        (tmp_path, "is a folder"),
        (tmp_path / "none" / "p.csv", "no such folder"),
    ):
        status, _, err = run(capsys, "predict", "m", data, "--out", out)
        assert (status, match in err) == (2, True), err
    assert data.read_bytes() == before


@pytest.mark.parametrize("command", ["train", "sweep", "groups"])
def test_a_folder_that_cannot_be_written_is_found_before_training(command, tmp_path, capsys, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    clean().to_csv(tmp_path / "t.csv", index=False)
    monkeypatch.setattr("tempfile.TemporaryFile", refuse)  # the tests may run as one who may write everywhere
    monkeypatch.setattr(jaxbm, "fit", lambda *_, **__: pytest.fail("trained"))
    more = ["--group", "code"] if command == "groups" else []
    status, out, err = run(capsys, command, tmp_path / "t.csv", "--target", "y", *more, "--out", tmp_path / "o")
    assert status == 2
    assert f"--out: cannot write to {tmp_path}: Permission denied; choose another folder" in err
    assert out == ""


def in_a_process(*argv, **environment):
    command = [sys.executable, "-P", "-m", "jaxbm", *map(str, argv)]
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"} | environment
    return subprocess.run(command, capture_output=True, check=False, env=environment)


def test_pipes_ascii_terminals_and_brackets(tmp_path):
    frame = clean().rename(
        columns={"amount": "gr\N{LATIN SMALL LETTER O WITH DIAERESIS}\N{LATIN SMALL LETTER SHARP S}e [m]"}
    )
    frame = frame.rename(columns={"share": "[bold]", "code": "[/red]"})
    frame.to_csv(tmp_path / "t.csv", index=False)
    argv = ["train", *CLASSIC, tmp_path / "t.csv", "--target", "y", "--epochs", 1, "--out", tmp_path / "m"]
    done = in_a_process(*argv, PYTHONIOENCODING="ascii", COLUMNS="40", TERM="xterm-256color")
    assert done.returncode == 0, done.stderr
    assert done.stderr == b""
    out = done.stdout.decode("ascii")
    assert "\x1b" not in out
    assert "gr\\xf6\\xdfe [m], [bold]: number" in out
    assert "[/red]: category" in out
    line = next(line for line in out.splitlines() if line.startswith("validation"))
    assert len(re.findall(r"\d\.\d{4}", line)) == 5  # loss and four metrics in one line, whatever COLUMNS says


def test_a_leak_and_a_small_test_are_told(tmp_path, capsys):
    frame = clean().head(60).assign(refund=lambda f: np.where(f.y == "yes", 1.0, 0.0))
    frame.to_csv(tmp_path / "t.csv", index=False)
    status, out, _ = run(capsys, "train", *CLASSIC, tmp_path / "t.csv", "--target", "y", "--epochs", 1, "--out", "m")
    assert status == 0
    assert "warning: column 'refund' alone predicts 100.0% of the labels" in out
    assert re.search(r"test accuracy 0\.\d+, 95% interval 0\.\d+ to [01]\.\d+ \(12 rows\)", out)
    assert "warning: so few rows tell little" in out


def test_options_of_reading_reach_the_reader(tmp_path, capsys):
    text = "a#b#y\n" + "".join(f"{i % 7},{i % 10}#{i % 5}#{'ja' if i % 7 > 3 else 'nein'}\n" for i in range(200))
    (tmp_path / "t.csv").write_bytes(text.encode("utf-16-le"))
    reading = ["--sep", "#", "--decimal", ",", "--encoding", "utf-16-le"]
    argv = ["train", *CLASSIC, tmp_path / "t.csv", "--target", "y", "--epochs", 2, "--out", "m"]
    assert run(capsys, *argv, *reading, "--numbers", "piecewise", "--bins", 4)[0] == 0
    assert [len(column.edges) for column in jaxbm.load("m").preparation.columns] == [5, 5]
    status, out, _ = run(capsys, "evaluate", "m", tmp_path / "t.csv", *reading)
    assert (status, "200 rows" in out) == (0, True)
    assert json.loads(pathlib.Path("m/model.json").read_text())["preparation"]["columns"][0]["decimal"] == ","


def test_what_is_complained_of_fits_a_terminal(monkeypatch, capsys):
    told = "error: expected one of " + "many words " * 20
    options.complain(told)
    assert capsys.readouterr().err == told + "\n"  # a file gets it in one line
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(options, "_width", lambda: 60)
    options.complain(told)
    err = capsys.readouterr().err
    assert max(map(len, err.splitlines())) <= 60
    assert err.split() == told.split()


def test_labels_that_are_not_there_are_told(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = pd.DataFrame({"age": range(40), "city": ["Rome", "Oslo"] * 20, "label": ["yes", "no"] * 20})
    rows.to_csv("data.csv", index=False)
    for command in ("train", "info", "sweep"):
        status, _, err = run(capsys, command, "data.csv")
        assert status == 2
        assert "--target: expected the column to predict, got none; the file has: age, city, label" in fold(err)
    fitted = ("train", "data.csv", "--target", "label", "--preset", "classic", "--epochs", "1", "--out", "m")
    assert run(capsys, *fitted, "--no-report")[0] == 0
    rows.rename(columns={"label": "Label"}).to_csv("other.csv", index=False)
    rows.drop(columns="label").to_csv("new.csv", index=False)
    expected = "table: expected labels in a column 'label', there is none"
    for file, near in (("new.csv", ""), ("other.csv", "; did you mean 'Label'?")):
        for command in ("evaluate", "explain"):
            status, _, err = run(capsys, command, "m", file)
            assert (status, fold(err)) == (2, f"error: {expected}{near}; predictions need none")


def fold(told):
    return " ".join(told.split())


def test_what_the_system_says_of_a_file_is_told_without_its_number(tmp_path, capsys):
    status, _, err = run(capsys, "bench", "compare", tmp_path / "a", tmp_path / "b")
    assert (status, err) == (2, f"error: {tmp_path / 'a'}: no such file or directory\n")
