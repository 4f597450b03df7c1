"""With `--json` a command's result is one JSON object, and nothing else is on stdout."""

import json

import pytest

from jaxbm import table
from jaxbm.cli import COMMANDS, _parser, main
from jaxbm.cli.help import EXAMPLES


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
    assert (status, found) == (0, {"task": "multiclass", "rows": 150, "out": "p.csv"})
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
    assert (status, found) == (0, {})


def test_an_error_is_in_the_object_too(capsys):
    status, found, err = run(capsys, "train none.csv --target y")
    assert (status, found["error"]) == (2, "none.csv: no such file")
    assert err == "error: none.csv: no such file\n"


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
    for command in ([], *([name] for name in EXAMPLES)):
        assert max(map(len, told_help(capsys, monkeypatch, 60, *command).splitlines())) <= 60
    out = told_help(capsys, monkeypatch, 60, "sweep")
    first = "  jaxbm sweep data.csv --target label \\\n    --learning-rate log:1e-4:1e-1 --hidden 32 64,32\n"
    assert first in out  # as it stands there it can be pasted


def test_examples_are_commands():
    parser = _parser()
    assert set(EXAMPLES) == {command.__name__.rsplit(".", 1)[1] for command in COMMANDS}
    for text in EXAMPLES.values():
        for line in text.strip().splitlines():
            words = line.split("  jaxbm ")[-1].removeprefix("jaxbm ").split("   ")[0].split(" > ")[0].split()
            parser.parse_args(words)  # ends the program where an option does not exist


def test_every_option_says_what_it_is():
    (commands,) = _parser()._subparsers._group_actions
    assert [(n, a.dest) for n, one in commands.choices.items() for a in one._actions if not a.help] == []


def test_completion(capsys):
    pytest.importorskip("shtab")
    with pytest.raises(SystemExit):
        main(["--print-completion", "bash"])
    out = capsys.readouterr().out
    assert "jaxbm" in out
    assert "--learning-rate" in out
