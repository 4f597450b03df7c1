"""What is told fits the terminal that it is told to."""

import io
import re
import sys

import pytest
from rich.console import Console

from jaxbm.report import terminal
from jaxbm.report.fitting import Fitting, console


def shown(renderable, width):
    screen = Console(width=width, file=io.StringIO(), highlight=False)
    screen.print(renderable)
    return screen.file.getvalue()


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_numbers_are_never_cut(width):
    values = {"loss": 0.123456, "accuracy": 0.9876, "balanced_accuracy": 0.8765, "f1": 0.7654, "roc_auc": 123456.0}
    out = shown(terminal.metrics_table({"training": values, "validation": values, "test": values}), width)
    assert max(map(len, out.splitlines())) <= width
    for number in ("0.1235", "0.9876", "0.8765", "0.7654", "1.235e+05"):
        assert out.count(number) == 3
    names = ["trial", "learning rate", "hidden", "loss", "a [bracketed] name"]
    rows = [[str(i), f"{10.0**-i:.4g}", "128,64", f"0.{i}234", "[x]"] for i in range(8)]
    out = shown(Fitting(names, rows, labelled=False), width)
    assert max(map(len, out.splitlines())) <= width
    assert all(f"0.{i}234" in out for i in range(8))
    assert out.count("[x]") == 8
    assert out.isascii()


def test_a_pipe_has_no_width_and_a_terminal_has(monkeypatch):
    assert console().width > 1000
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "50")
    monkeypatch.setenv("TERM", "xterm")
    assert console().width == 50


def test_long_names_are_broken_into_lines_and_told_apart():
    names = [f"the very long name of a column that somebody exported, number {i}" for i in range(2)]
    rows = [[name, "0.3575", "0.0075"] for name in names]
    out = shown(Fitting(["", "importance", "standard error"], rows), 60)
    assert max(map(len, out.splitlines())) <= 60
    words = " ".join(re.sub(r"0\.\d+", "", out).split())
    assert all(name in words for name in names)
    many = [[name, *["0.1234"] * 9] for name in names]  # no room for the names beside so many numbers
    out = shown(Fitting(["", *(f"metric {i}" for i in range(9))], many), 60)
    assert max(map(len, out.splitlines())) <= 60
    assert len(set(re.findall(r"\S*…\S* \S+ \d", out))) == 2
