"""The examples of the documentation run as they stand, and are short."""

import importlib.util
import pathlib
import runpy
import warnings

import pytest

EXAMPLES = sorted((pathlib.Path(__file__).parents[2] / "docs" / "examples").glob("*.py"))
#: What each prints, whatever the machine.
PRINTS = {
    "adam_in_other_loops": "loss 0.",
    "custom_loss_under_vmap": "quantile 0.95: 0.9",
    "ensemble": "chosen, calibrated",
    "one_model_per_group": "mean absolute error: 0.",
    "regression_with_uncertainty": "of the test rows lie inside",
    "serving": "'setosa': 0.9",
    "sweep": "best: {",
    "table_classification": "report in",
}


def test_all_eight_are_there_and_short():
    assert {path.stem for path in EXAMPLES} == set(PRINTS)
    for path in EXAMPLES:
        assert len(path.read_text().splitlines()) <= 60, path.name


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_runs(path, capsys, tmp_path, monkeypatch):
    if path.stem == "adam_in_other_loops" and not (
        importlib.util.find_spec("flax") or importlib.util.find_spec("equinox")
    ):
        pytest.skip("neither Flax nor Equinox is here")
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of other libraries
        runpy.run_path(str(path), run_name="__main__")
    assert PRINTS[path.stem] in capsys.readouterr().out
