"""Private training from the command line: what it promises, and what it says is not covered."""

import json

import jax
import numpy as np
import pandas as pd
import pytest

from jaxbm.cli import main
from jaxbm.privacy import entropy_key

TRAIN = ["train", "private.csv", "--target", "y", "--epochs", "1", "--hidden", "4", "--out", "model"]


@pytest.fixture(autouse=True)
def tables(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(5, 2, 120), "b": rng.choice(["u", "v"], 120), "y": rng.integers(0, 2, 120)})
    frame[:80].to_csv("private.csv", index=False)
    frame[80:].to_csv("public.csv", index=False)
    return frame


def test_epsilon_is_kept_and_told_in_the_terminal_the_report_the_model_and_as_json(capsys, tables):
    pytest.importorskip("dp_accounting")
    words = [*TRAIN, "--epsilon", "2", "--delta", "1e-3", "--prepare-from", "public.csv", "--json"]
    assert main(words) == 0
    out, err = capsys.readouterr()
    found = json.loads(out)["privacy"]
    assert 1.95 < found["epsilon"] <= 2
    assert found["delta"] == 1e-3
    assert found["steps"] == 2
    assert "Privacy\nepsilon 2 at delta 0.001" in err
    assert "was learned from public.csv" in err
    with open("model/report.html", encoding="utf-8") as file:
        page = file.read()
    assert "epsilon 2 at delta 0.001" in page
    assert "what stands here" in page
    with open("model/model.json", encoding="utf-8") as file:
        saved = json.load(file)
    assert found == next(part["privacy"] for part in _dicts(saved) if "privacy" in part)
    column = next(part for part in _dicts(saved) if part.get("name") == "a")
    assert column["center"] == pytest.approx(tables.a[80:].mean())  # nothing of the private rows


def _dicts(value):
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return ([value] if isinstance(value, dict) else []) + [d for part in parts for d in _dicts(part)]


@pytest.mark.parametrize(
    ("more", "match"),
    [
        (["--epsilon", "2"], "--delta: expected"),
        (["--delta", "1e-5"], "--delta: expected --epsilon or --noise-multiplier"),
        (["--prepare-from", "public.csv"], "--prepare-from: expected --epsilon"),
        (["--epsilon", "2", "--delta", "1e-5", "--patience", "3"], "--patience: expected none with privacy"),
        (["--epsilon", "2", "--delta", "1e-5", "--preset", "best"], "folds: expected none with privacy"),
        (["--epsilon", "2", "--delta", "1e-5", "--preset", "accurate"], "folds: expected none with privacy"),
    ],
)
def test_what_does_not_go_together_is_told(capsys, more, match):
    assert main([*TRAIN, *more]) == 2
    assert match in capsys.readouterr().err


def test_without_the_accountant_it_says_what_to_install(capsys, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "dp_accounting", None)
    assert main([*TRAIN, "--epsilon", "2", "--delta", "1e-5"]) == 2
    assert capsys.readouterr().err.endswith("pip install 'jaxbm[privacy]'\n")


def test_the_noise_does_not_come_from_the_seed():
    keys = {tuple(np.asarray(jax.random.key_data(entropy_key())).tolist()) for _ in range(3)}
    assert len(keys) == 3
