"""The judgement of the instruction-count benchmark; the counting itself runs in continuous integration."""

import importlib.util
from pathlib import Path

FILE = Path(__file__).parents[2] / "benchmarks" / "instructions" / "check.py"
spec = importlib.util.spec_from_file_location("instruction_check", FILE)
assert spec is not None
assert spec.loader is not None
check = importlib.util.module_from_spec(spec)
spec.loader.exec_module(check)


def test_growth_beyond_the_limit_is_wrong():
    stored = {"train": 1000, "adam": 1000}
    assert check.compare({"train": 1050, "adam": 900}, stored) == []
    assert check.compare({"train": 1051, "adam": 900}, stored) == ["train: +5.10%, more than 5%"]


def test_both_sides_must_have_the_same_cases():
    assert check.compare({"train": 1}, {"adam": 1}) == [
        "adam: in the baseline, but no longer measured",
        "train: not in the baseline",
    ]
