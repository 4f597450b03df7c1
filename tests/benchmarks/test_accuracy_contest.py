"""The accuracy contest: its tables, its standings, what it writes."""

import json

import numpy as np
import pytest

from jaxbm.benchmarks.accuracy import contest, report
from jaxbm.benchmarks.accuracy.contestants import Contestant
from jaxbm.benchmarks.accuracy.ranking import standings
from jaxbm.benchmarks.accuracy.tables import TABLES, Table
from jaxbm.cli import main


def wine():
    from jaxbm import table

    return table.demo("wine")[0]


def guess(split, *, share):
    frequencies = split.labels.value_counts(normalize=True)
    truth = np.asarray([[share * (y == c) for c in split.classes] for y in split.test[split.target]])
    return truth + (1 - share) * np.asarray([frequencies[c] for c in split.classes])


def _written(path, text):
    path.parent.mkdir()
    path.write_text(text)
    return path


def breaks(*_):
    raise RuntimeError("no memory")


def test_it_runs_goes_on_and_is_reported(tmp_path):
    table = Table("wine", "scikit-learn wine", "target", "multiclass", False, make=wine)
    other = Table("other", "nowhere x", "y", "binary", True)
    absent, said = Contestant("absent", guess, "no_such_module"), []
    better, worse = (
        Contestant(n, lambda split, s=s: guess(split, share=s)) for n, s in (("better", 0.9), ("worse", 0.1))
    )
    path = tmp_path / "accuracy.jsonl"
    for who in ([worse, absent], [worse, better, Contestant("broken", breaks)]):
        contest.run(path, tables=[table, other], contestants=who, splits=[0, 1], say=said.append)
        path.write_text(path.read_text() + '{"cut')  # killed while it wrote
    assert "absent: absent, no_such_module is not installed" in said
    assert "other: absent, nowhere is not installed" in said
    lines = contest.load(path)
    assert [r["contestant"] for r in lines] == ["worse", "worse", "better", "broken", "better", "broken"]
    assert all(r["loss"] == r["log_loss"] > 0 and 0 <= r["score"] <= 1 for r in lines if "loss" in r)
    found = standings(lines)
    assert [(s.contestant, s.rank, s.tables) for s in found] == [("better", 1.0, 1), ("worse", 2.0, 1)]
    with pytest.raises(ValueError, match=r"accuracy.jsonl:1: expected a line of JSON"):
        contest.load(_written(tmp_path / "other" / "accuracy.jsonl", '{"cut\n{}\n'))
    late = {**lines[0], "contestant": "late", "loss": 1e-3}  # measured on one split alone
    path.write_text(path.read_text().replace('{"cut', json.dumps(late)))
    text = report.write(path, tmp_path).read_text()
    both, first = text.split("## Losses")[0].split("those too who were measured on fewer splits")
    assert "; 2 splits:" in both
    assert "| better | 1.0 |" in both
    assert "late" not in both
    assert "; 1 split:" in first
    assert "| better | 2.0 |" in first
    assert "broken on wine, split 0: RuntimeError: no memory" in text
    assert (tmp_path / "accuracy.svg").is_file()


def test_quantities_are_measured():
    y, guesses = np.asarray([1.0, 2.0, 4.0]), np.asarray([1.0, 2.0, 1.0])
    found = contest.metrics("regression", y, guesses, [])
    assert found["loss"] == pytest.approx(np.sqrt(3))
    assert found["r2"] == pytest.approx(1 - 9 / (14 / 3))


def test_at_most_half_of_the_tables_decided_anything():
    assert len(TABLES) >= 12
    assert sum(table.seen for table in TABLES) <= len(TABLES) / 2
    assert len({table.name for table in TABLES}) == len(TABLES)


def test_it_runs_by_itself(capsys):
    assert main(["bench", "--only", "accuracy", "--only", "small"]) == 2
    assert "--only accuracy: expected it by itself" in capsys.readouterr().err
