"""What is not installed is told with what needs it and how to install it."""

import sys

import jax
import numpy as np
import pytest

import jaxbm
from jaxbm import report, table
from jaxbm.core.extras import needs
from jaxbm.report import terminal
from jaxbm.studies.folds import make_folds
from jaxbm.training.bar import bar

MODEL = jaxbm.MLP((2, 1))
X, Y = np.zeros((8, 2), np.float32), np.arange(8) % 2


def progress():
    with bar():
        pass


def page(folder):
    result = type("Result", (), {"params": MODEL.init(jax.random.key(0)), "history": {}})()
    report.html(folder / "r.html", result, data={"all": (X, Y)}, model=MODEL, task="binary")


@pytest.mark.parametrize(
    ("package", "told", "do"),
    [
        ("pandas", "jaxbm.table needs pandas", lambda folder: table.from_arrays(X)),
        ("pandas", "jaxbm.table needs pandas", lambda folder: table.demo("iris")),
        ("pandas", "jaxbm.table needs pandas", lambda folder: table.read(folder / "t.csv")),
        (
            "safetensors",
            "saving a model needs",
            lambda folder: jaxbm.save(folder, MODEL, MODEL.init(jax.random.key(0))),
        ),
        ("matplotlib", "the report needs matplotlib", page),
        ("matplotlib", "the picture needs matplotlib", lambda folder: terminal.plot_history({}, folder / "p.png")),
        ("rich.console", "progress=True needs rich", lambda folder: progress()),
        (
            "sklearn.model_selection",
            "folds needs scikit-learn",
            lambda folder: make_folds(8, Y, 2, groups=np.arange(8) // 2),
        ),
    ],
)
def test_what_is_not_installed_is_told(package, told, do, tmp_path, monkeypatch):
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    for name in [n for n in sys.modules if n == package or n.startswith(f"{package}.")]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ModuleNotFoundError, match=rf"{told}.*pip install 'jaxbm\[table\]'"):
        do(tmp_path)


def test_it_is_told_before_the_work_too(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"not installed: pip install .*, or --no-report"):
        needs("the report", ", or --no-report").require("matplotlib")


def test_other_errors_pass():
    with pytest.raises(ModuleNotFoundError, match=r"^nothing of ours$"), needs("a"):
        raise ModuleNotFoundError("nothing of ours", name="unheard_of")
    with pytest.raises(ValueError, match="x"), needs("a"):
        raise ValueError("x")
