"""With `--json` a command's result is one JSON object, and nothing else is on stdout."""

import argparse
import json
import pathlib

import numpy as np
import pandas as pd
import pytest

from jaxbm import table
from jaxbm.cli import COMMANDS, _parser, info, main, options
from jaxbm.cli.help import EXAMPLES
from jaxbm.cli.options import MembersLine, leave_line
from jaxbm.cli.outcome import as_json
from jaxbm.members.progress import MembersProgress


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def run(capsys, text):
    status = main([*text.split(), "--json"])
    out, err = capsys.readouterr()
    return status, json.loads(out), err


def test_every_command(tmp_path, capsys):
    rows, _ = table.demo("iris")
    rows["bed"] = ["a", "b"] * 75
    rows.to_csv("iris.csv", index=False)
    status, found, err = run(
        capsys, "train iris.csv --target target --preset classic --epochs 2 --hidden 8 --out model"
    )
    assert (status, found["task"], found["epochs_run"]) == (0, "multiclass", 2)
    assert set(found["metrics"]) == {"training", "validation", "test"}
    assert (tmp_path / found["report"]).is_file()
    assert "model saved in" in err
    status, found, _ = run(capsys, "evaluate model iris.csv")
    assert (status, found["rows"]) == (0, 150)
    assert 0 <= found["metrics"]["accuracy"] <= 1
    status, found, _ = run(capsys, "predict model iris.csv --out p.csv")
    assert (status, found) == (0, {"task": "multiclass", "rows": 150, "without_model": 0, "out": "p.csv"})
    status, found, _ = run(capsys, "explain model iris.csv --repeats 2 --no-pictures")
    assert (status, found["metric"]) == (0, "accuracy")
    assert set(found["columns"]) == set(rows) - {"target"}
    command = "sweep --demo iris --trials 3 --epochs 2 --hidden 4 --out sweep --no-report"
    status, found, _ = run(capsys, command)
    assert (status, found["trials"], "report" in found) == (0, 3, False)
    assert found["best"]["hidden"] == [4]
    command = "groups iris.csv --target target --group bed --epochs 2 --hidden 4 --out groups --no-report"
    status, found, _ = run(capsys, command)
    assert (status, found["models"], found["without_a_model"]) == (0, 2, [])
    status, found, _ = run(capsys, "info")
    assert (status, found["implementations"]["xla"]) == (0, "on")
    status, found, _ = run(capsys, "info iris.csv --target target")
    assert (status, found["task"], set(found["columns"])) == (0, "multiclass", set(rows) - {"target"})
    status, found, _ = run(capsys, "bench --list")
    assert (status, "quick" in found["selections"], "program-hmc" in found["contests"]) == (0, True, True)


def test_an_error_is_in_the_object_too(capsys):
    status, found, err = run(capsys, "train none.csv --target y")
    assert (status, found["error"]) == (2, "none.csv: no such file")
    assert err == "error: none.csv: no such file\n"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("train --epochs x", "argument --epochs: invalid int value: 'x'; see jaxbm train --help"),
        ("train --tarket y", "unrecognized arguments: --tarket; did you mean --target?; see jaxbm train --help"),
        ("", "unrecognized arguments: --json; --json comes after the command; see jaxbm --help"),
        ("evaluate", "the following arguments are required: folder, data; see jaxbm evaluate --help"),
    ],
)
def test_words_that_are_no_command_are_told_in_one_object_and_one_line(words, told, capsys):
    with pytest.raises(SystemExit) as left:
        main([*words.split(), "--json"])
    out, err = capsys.readouterr()
    assert (left.value.code, json.loads(out), err) == (2, {"error": told}, f"error: {told}\n")


def test_an_error_of_ours_is_an_object_and_a_traceback(capsys, monkeypatch):
    monkeypatch.setattr(info, "_machine", lambda: {}["nothing"])
    status, found, err = run(capsys, "info")
    assert (status, found) == (1, {"error": "KeyError: 'nothing'"})
    assert "Traceback" in err
    status, found, _ = run(capsys, "sweep none.csv --target y --l2 log:a:b")  # before the table is read
    expected = "--l2: expected a number, or a range such as log:LOW:HIGH, got 'a'"
    assert (status, found) == (2, {"error": expected})


def test_a_report_that_cannot_be_written_is_found_before_training(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("jaxbm.tabular.train", lambda *_, **__: pytest.fail("trained"))
    (tmp_path / "file").touch()
    for path, told in (
        (".", "expected a file, . is a folder"),
        ("file/r.html", f"expected a folder, {tmp_path / 'file'} is"),
    ):
        status, found, _ = run(capsys, f"train --demo iris --preset classic --report {path}")
        assert status == 2
        assert f"--report: {told}" in found["error"]


def test_values_that_json_does_not_have():
    given = {1: np.float32(np.nan), "day": np.datetime64("2024-01-02"), "path": pathlib.Path("a"), "none": pd.NA}
    assert json.loads(as_json(given)) == {"1": None, "day": "2024-01-02", "path": "a", "none": None}
    assert json.loads(as_json({"x": np.arange(2), "s": "\ud800", "t": (True, None)})) == {
        "x": [0, 1], "s": "\ud800", "t": [True, None],
    }  # fmt: skip


def test_a_line_of_progress_fits_and_others_leave_it(capsys, monkeypatch):
    line, now = MembersLine(), MembersProgress(3, 10, 2, 16, 3, 0.25, 100, 200, 1.0)
    assert not line.shown  # no terminal here
    monkeypatch.setattr(options, "_width", lambda: 40)
    line.show(now)
    leave_line()
    assert capsys.readouterr().err == "\r\033[Kepoch 3/10  2/16 members done\n"
    leave_line()
    assert capsys.readouterr().err == ""


def told_help(capsys, monkeypatch, columns, *command):
    monkeypatch.setenv("COLUMNS", str(columns))
    with pytest.raises(SystemExit):
        main([*command, "--help"])
    return capsys.readouterr().out


def test_help_shows_groups_and_examples(capsys, monkeypatch):
    out = told_help(capsys, monkeypatch, 120, "train")
    for words in ("\ndata:", "\nmodel:", "\ntraining:", "\nreport:", "examples:\n  jaxbm train --demo   "):
        assert words in out
    assert "--target label --out model      sixteen networks" in out


def test_help_fits_a_narrow_terminal(capsys, monkeypatch):
    for width in (40, 60):
        for command in ([], *([name] for name in EXAMPLES)):
            lines = told_help(capsys, monkeypatch, width, *command).splitlines()
            assert max(map(len, lines)) <= width
    assert lines[0] == "usage: jaxbm bench [options] [compare A B]"  # no page of options before what was asked for
    out = told_help(capsys, monkeypatch, 60, "sweep")
    first = "  jaxbm sweep data.csv --target label \\\n    --learning-rate log:1e-4:1e-1 --hidden 32 64,32\n"
    assert first in out  # as it stands there it can be pasted


@pytest.mark.parametrize("text", ["8,0", "8,,4", "-3", "a"])
def test_widths_are_positive_numbers(text):
    with pytest.raises(argparse.ArgumentTypeError, match=f"expected widths such as 64,32, got '{text}'"):
        options.widths(text)


def test_examples_are_commands():
    parser = _parser()
    assert set(EXAMPLES) == set(COMMANDS)
    for text in EXAMPLES.values():
        for line in text.strip().splitlines():
            words = line.split("  jaxbm ")[-1].removeprefix("jaxbm ").split("   ")[0].split(" > ")[0].split()
            parser.parse_args(words)  # ends the program where an option does not exist


def test_every_option_says_what_it_is():
    (commands,) = _parser()._subparsers._group_actions
    assert [(n, a.dest) for n, one in commands.choices.items() for a in one._actions if not a.help] == []
