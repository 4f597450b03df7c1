"""Questions about a trained network, against scikit-learn's answers of its own network with the same weights.

python -m jaxbm.benchmarks.understanding benchmarks/results/understanding.json
"""

from __future__ import annotations

import json
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxbm.benchmarks.text import table

ROUNDS = 3
DEPENDENCE, IMPORTANCE = "partial dependence", "permutation importance"


class Case(NamedTuple):
    """A table and a network, and what is asked."""

    question: str
    rows: int
    columns: int
    hidden: tuple[int, ...]
    activation: str = "relu"
    classes: int | None = 2
    """None for a regression"""


CASES = (
    Case(DEPENDENCE, 300, 8, (16,)),
    Case(DEPENDENCE, 442, 10, (100,), classes=None),
    Case(DEPENDENCE, 569, 30, (100,)),
    Case(DEPENDENCE, 1797, 64, (100,), classes=10),
    Case(DEPENDENCE, 5000, 20, (100,)),
    Case(DEPENDENCE, 5000, 20, (64, 32)),
    Case(DEPENDENCE, 20000, 20, (128, 64)),
    Case(DEPENDENCE, 442, 10, (100,), "tanh", None),
    Case(DEPENDENCE, 569, 30, (100,), "sigmoid"),
    Case(DEPENDENCE, 1797, 64, (100,), "tanh", 10),
    Case(DEPENDENCE, 5000, 20, (100,), "tanh"),
    Case(DEPENDENCE, 5000, 20, (100,), "sigmoid"),
    Case(DEPENDENCE, 5000, 20, (64, 32), "tanh"),
    Case(IMPORTANCE, 569, 30, (100,)),
    Case(IMPORTANCE, 1797, 64, (100,), classes=10),
    Case(IMPORTANCE, 5000, 20, (100,), "tanh"),
    Case(IMPORTANCE, 5000, 20, (64, 32), classes=None),
    Case(IMPORTANCE, 20000, 20, (100,)),
)


def measure(case: Case, rounds: int = ROUNDS) -> dict[str, Any]:
    """Processor seconds of ours and theirs (in the dtype of its features), medians of rounds that take turns."""
    import jax
    from sklearn.inspection import partial_dependence, permutation_importance

    from jaxbm import understand

    (x, y, model), (_, _, theirs), (_, _, theirs32) = _trained(case), _peer(case, np.float64), _peer(case, np.float32)
    task = "classification" if case.classes else "regression"
    x32 = x.astype(np.float32)
    ways: dict[str, Callable[[], Any]]
    if case.question == DEPENDENCE:
        options: dict[str, Any] = {"method": "brute", "grid_resolution": 100, "kind": "average"}
        ways = {
            "jaxbm": lambda: understand.partial_dependence(model, x32, 0, task=task).average.T,
            "float64": lambda: partial_dependence(theirs, x, [0], **options)["average"],
            "float32": lambda: partial_dependence(theirs32, x32, [0], **options)["average"],
        }
    else:
        metric, key = "accuracy" if case.classes else "r2", jax.random.key(0)
        ways = {
            "jaxbm": lambda: understand.permutation_importance(key, model, x32, y, metric=metric).importances,
            "float64": lambda: permutation_importance(theirs, x, y, n_repeats=5, random_state=0).importances,
            "float32": lambda: permutation_importance(theirs32, x32, y, n_repeats=5, random_state=0).importances,
        }
    answers = {name: way() for name, way in ways.items()}  # compiles, too
    found: dict[str, Any] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            repeats = 4 if name == "jaxbm" else 1
            began = time.process_time()
            for _ in range(repeats):
                way()
            found[name].append((time.process_time() - began) / repeats)
    seconds = {name: statistics.median(values) for name, values in found.items()}
    if case.question == DEPENDENCE:  # importances are of other draws
        seconds["difference"] = float(np.abs(answers["jaxbm"] - answers["float64"]).max())
    return case._asdict() | seconds


def _peer(case: Case, dtype: Any) -> tuple[np.ndarray, np.ndarray, Any]:
    """Features, labels, and scikit-learn's network after a few epochs on them."""
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    rng = np.random.default_rng(0)
    x = rng.normal(size=(case.rows, case.columns)).astype(dtype)
    y = x[:, 0] + x[:, 1] * x[:, 2]
    if case.classes:
        y = np.digitize(y, np.quantile(y, np.arange(1, case.classes) / case.classes))
    activation = {"sigmoid": "logistic"}.get(case.activation, case.activation)
    make = MLPClassifier if case.classes else MLPRegressor
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a few epochs are not meant to converge
        network = make(hidden_layer_sizes=case.hidden, activation=activation, max_iter=3, random_state=0)
        return x, y, network.fit(x, y)


def _trained(case: Case) -> tuple[np.ndarray, np.ndarray, Any]:
    """The same features and labels, and the same network as ours."""
    import jax.numpy as jnp

    import jaxbm

    x, y, network = _peer(case, np.float64)
    pairs = zip(network.coefs_, network.intercepts_, strict=True)
    params = tuple(jaxbm.Dense(*(jnp.asarray(part, jnp.float32) for part in pair)) for pair in pairs)
    sizes = (case.columns, *case.hidden, network.coefs_[-1].shape[1])
    return x, y, (jaxbm.MLP(sizes, activation=case.activation), params)


def block(results: dict[str, Any], question: str) -> str:
    """The page's table of a question: how many times as much processor time scikit-learn takes."""
    rows = []
    for one in results["cases"]:
        if one["question"] == question:
            job = {None: "regression", 2: "two classes"}.get(one["classes"], f"{one['classes']} classes")
            network = f"{', '.join(map(str, one['hidden']))}, {one['activation']}"
            times = [f"{one[peer] / one['jaxbm']:.0f}x" for peer in ("float64", "float32")]
            rows.append([f"{one['rows']:,} x {one['columns']}", job, network, f"{one['jaxbm'] * 1e3:.1f} ms", *times])
    header = ["rows, columns", "job", "hidden layers", "ours", "scikit-learn in float64", "in float32"]
    return f"{results['machine']}.\n\n{table(header, rows, left=3)}"


def main(path: Path) -> None:
    """Measure and write results."""
    import jax
    import sklearn
    from threadpoolctl import threadpool_limits

    from jaxbm import kernels
    from jaxbm.benchmarks.record import cpu_model

    with threadpool_limits(1):  # where it needs the least processor time
        cases = [measure(case) for case in CASES]
    told = (
        f"{cpu_model()}, kernels {kernels.status()['cpu']}, jax {jax.__version__}, scikit-learn {sklearn.__version__}"
    )
    path.write_text(json.dumps({"machine": told, "cases": cases}, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
