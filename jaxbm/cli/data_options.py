"""Where the rows come from: options and steps that the commands share."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from jaxbm.table import Preparation


class Tables(NamedTuple):
    """A table, split into training and test rows and prepared."""

    frames: dict[str, pd.DataFrame]
    arrays: dict[str, tuple[np.ndarray, np.ndarray]]
    """"train" and "test": features and labels"""
    preparation: Preparation


def add_data_options(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Where the rows come from, and how they are split."""
    data = parser.add_argument_group("data")
    data.add_argument("data", nargs="?", metavar="data.csv", help="CSV file with a header")
    data.add_argument("--target", metavar="COLUMN", help="column to predict")
    data.add_argument(
        "--demo",
        nargs="?",
        const="breast_cancer",
        metavar="NAME",
        help="instead, a data set that scikit-learn carries",
    )
    data.add_argument(
        "--task", metavar="NAME", help="binary, multiclass, classification or regression [found from the target]"
    )
    data.add_argument("--test-size", type=float, default=0.2, metavar="0.2", help="fraction of rows to test on")
    data.add_argument("--seed", type=int, default=0, metavar="0", help="of the split, the weights and the shuffles")
    return data


def read(arguments: argparse.Namespace) -> tuple[pd.DataFrame, str]:
    """The table and its target column."""
    from jaxbm import table

    if (arguments.data is None) == (arguments.demo is None):
        raise ValueError("data: expected either a CSV file or --demo")
    if arguments.demo is not None:
        return table.demo(arguments.demo)
    if arguments.target is None:
        raise ValueError("--target: expected the column to predict, got none")
    return table.read(arguments.data), arguments.target


def split_and_prepare(
    arguments: argparse.Namespace, frame: pd.DataFrame, target: str, drop: tuple[str, ...] = ()
) -> Tables:
    """Training and test rows, prepared by what the training rows say; columns of `drop` are no features."""
    from jaxbm import table

    train, test = table.split(frame, target, task=arguments.task, test_size=arguments.test_size, seed=arguments.seed)
    preparation = table.prepare(train.drop(columns=[*drop]), target, task=arguments.task)
    frames = {"train": train, "test": test}
    arrays = {name: (preparation.features(rows), preparation.labels(rows)) for name, rows in frames.items()}
    return Tables(frames, arrays, preparation)
