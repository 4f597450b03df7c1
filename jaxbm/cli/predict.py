"""`jaxbm predict`: a file of predictions, with probabilities for classes."""

from __future__ import annotations

import argparse
import importlib.util
import pathlib

from jaxbm.cli.data_options import add_model_and_rows, add_reading_options, reading_options
from jaxbm.cli.shared import check_writable
from jaxbm.core import paths
from jaxbm.core.words import counted

DESCRIPTION = (
    "Predictions of a saved model, an ensemble or models by group, a line for each row in the table's order: the "
    "class and each class's probability, or the quantity."
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    add_model_and_rows(parser, "; no target is needed")
    parser.add_argument(
        "--out", default="predictions.csv", metavar="FILE", help="CSV or Parquet file to write [predictions.csv]"
    )
    add_reading_options(parser)


def run(arguments: argparse.Namespace) -> None:
    """Load, prepare, predict, write."""
    import numpy as np

    from jaxbm.core.files import replace
    from jaxbm.saved.outputs import outputs_of

    target = _checked(arguments)
    found = outputs_of(arguments.folder, arguments.data, **reading_options(arguments))
    preparation, frame, logits = found.preparation, found.frame, found.logits
    out = frame[[]].copy()
    apart = int(np.isnan(logits).any(axis=1).sum())
    if preparation.task == "regression":
        out[preparation.target] = preparation.predicted(logits)
        for name, values in preparation.further(logits).items():
            out[name] = values
    else:
        p = preparation.probabilities(logits)
        unknown = np.isnan(p).any(axis=1)  # of a group without a model
        out[preparation.target] = [
            None if u else preparation.classes[i] for u, i in zip(unknown, p.argmax(axis=1), strict=True)
        ]
        for i, name in enumerate(preparation.classes):
            out[f"probability {name}"] = p[:, i]
    replace(target, out.to_parquet(index=False) if _is_parquet(target) else out.to_csv(index=False).encode())
    arguments.outcome |= {"task": preparation.task, "rows": len(out), "without_model": apart, "out": str(target)}
    print(f"{counted(len(out), 'prediction')} written to {target}")
    if apart:
        print(f"{counted(apart, 'row')} of groups without a model: left empty there")


def _is_parquet(target: pathlib.Path) -> bool:
    return target.suffix.lower() in (".parquet", ".pq")


def _checked(arguments: argparse.Namespace) -> pathlib.Path:
    """Where the predictions go; ValueError where that is the table itself, or nothing can be written there."""
    paths.check_local("--out", arguments.out)
    target = pathlib.Path(arguments.out)
    table = pathlib.Path(arguments.data)
    if target.exists() and table.exists() and target.samefile(table):
        raise ValueError(f"--out: expected another file than the table itself, got {target}; it would be lost")
    if target.is_dir():
        raise ValueError(f"--out: expected a file, {target} is a folder")
    if not target.absolute().parent.is_dir():
        raise FileNotFoundError(f"--out: {target.absolute().parent}: no such folder")
    check_writable(target.absolute().parent)
    if _is_parquet(target) and importlib.util.find_spec("pyarrow") is None:
        raise ModuleNotFoundError("writing Parquet needs pyarrow: pip install 'jaxbm[parquet]'; or name a CSV file")
    return target
