"""Where the rows come from and what the columns are: options and steps that the commands share."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, NamedTuple

from jaxbm.cli.shared import no_target, refuse
from jaxbm.core.words import counted
from jaxbm.table.category_statistics import CATEGORIES
from jaxbm.table.number_encodings import BINS, ENCODINGS, FREQUENCIES

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from jaxbm.table import Preparation


COUNTED = (("bins", BINS, "piecewise"), ("frequencies", FREQUENCIES, "fourier"))
"""Options that are of one encoding of numbers alone, each with what it is by default."""


OF_FILES = ("sep", "decimal", "encoding", "header")
"""Options that say how a file is written."""


class Tables(NamedTuple):
    """A table, split into training and test rows and prepared."""

    frames: dict[str, pd.DataFrame]
    arrays: dict[str, tuple[np.ndarray, np.ndarray]]
    """"training" and "test": features and labels"""
    preparation: Preparation


def add_model_and_rows(parser: argparse.ArgumentParser, more: str = "") -> None:
    """The folder of a saved model, and the file with rows for it."""
    parser.add_argument("folder", help="where `jaxbm train` put the model")
    told = "CSV, Parquet, Feather or JSON file with the training table's columns, - for standard input"
    parser.add_argument("data", help=told + more)


def add_reading_options(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """How a file is read; everything is found out where nothing is said."""
    reading = parser.add_argument_group("reading")
    reading.add_argument("--sep", metavar="CHARACTER", help="what separates cells, such as ';' or '\\t' [found]")
    reading.add_argument("--decimal", choices=(".", ","), metavar="MARK", help="the decimal mark, . or , [found]")
    reading.add_argument("--encoding", metavar="NAME", help="such as utf-8, cp1252, utf-16 [found]")
    reading.add_argument(
        "--header", action=argparse.BooleanOptionalAction, help="whether the first row names the columns [found]"
    )
    reading.add_argument(
        "--missing", nargs="+", action="extend", default=[], metavar="VALUE", help="values that mean an empty cell"
    )
    return reading


def add_column_options(parser: argparse.ArgumentParser, *, preset: bool = False) -> argparse._ArgumentGroup:
    """What the columns are; found out from their cells where nothing is said. With `preset`, one decides how numbers
    are encoded where nothing is said."""
    columns = parser.add_argument_group("columns")
    columns.add_argument("--drop", nargs="+", action="extend", default=[], metavar="COLUMN", help="no feature")
    columns.add_argument(
        "--keep",
        nargs="+",
        action="extend",
        default=[],
        metavar="COLUMN",
        help="a feature, though it looks like none",
    )
    columns.add_argument("--types", metavar="FILE", help="what columns are, as `jaxbm info data.csv` proposes it")
    told = "the preset's" if preset else "standard"
    columns.add_argument(
        "--numbers",
        choices=ENCODINGS,
        metavar="HOW",
        default=None if preset else "standard",
        help=f"how numbers become features: {', '.join(ENCODINGS)} [{told}]",
    )
    for name, count, encoding in COUNTED:
        default = None if preset else count
        columns.add_argument(
            f"--{name}", type=int, default=default, metavar=str(count), help=f"of --numbers {encoding}"
        )
    if preset:
        columns.add_argument(
            "--categories",
            choices=CATEGORIES,
            metavar="HOW",
            help=f"how categories become features: {', '.join(CATEGORIES)} [{told}]",
        )
    columns.add_argument(
        "--task", metavar="NAME", help="binary, multiclass, classification or regression [found from the target]"
    )
    return columns


def add_data_options(parser: argparse.ArgumentParser, *, preset: bool = False) -> argparse._ArgumentGroup:
    """Where the rows come from, what the columns are (`preset` as for `add_column_options`), and how the rows are
    split."""
    data = parser.add_argument_group("data")
    data.add_argument(
        "data", nargs="?", metavar="data.csv", help="CSV, Parquet, Feather or JSON file, - for standard input"
    )
    data.add_argument("--target", metavar="COLUMN", help="column to predict [of --demo its own]")
    data.add_argument(
        "--demo",
        nargs="?",
        const="breast_cancer",
        metavar="NAME",
        help="instead, a data set of scikit-learn: breast_cancer, iris, wine, digits, diabetes [breast_cancer]",
    )
    data.add_argument("--test-size", type=float, default=0.2, metavar="0.2", help="fraction of rows to test on")
    data.add_argument("--seed", type=int, default=0, metavar="0", help="of the split, the weights and the shuffles")
    add_reading_options(parser)
    add_column_options(parser, preset=preset)
    return data


def reading_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """What `table.read` takes of them."""
    return {name: getattr(arguments, name) for name in (*OF_FILES, "missing")}


def columns_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """What `table.prepare` takes of them about the kinds of columns."""
    from jaxbm.table.types_file import read_types

    types = read_types(arguments.types) if arguments.types is not None else {}
    return {"types": types, **{name: getattr(arguments, name) for name in ("keep", "drop", "missing")}}


def check_encoding(arguments: argparse.Namespace, numbers: Any) -> None:
    """ValueError where an option is of another encoding of numbers than the one there is."""
    for name, _, encoding in COUNTED:
        if isinstance(numbers, str) and numbers != encoding:
            refuse(arguments, f"beside --numbers {numbers}; it is of {encoding}", name)


def column_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """What `table.prepare` takes of them."""
    names = ("task", "numbers", "bins", "frequencies", *(("categories",) * hasattr(arguments, "categories")))
    return columns_of(arguments) | {name: getattr(arguments, name) for name in names}


def read(arguments: argparse.Namespace, text: tuple[str, ...] = ()) -> tuple[pd.DataFrame, str]:
    """The table and its target column; columns of `text` as they are spelled."""
    from jaxbm import table

    if (arguments.data is None) == (arguments.demo is None):
        raise ValueError("data: expected either a CSV file or --demo")
    if arguments.demo is not None:
        if getattr(arguments, "prepare_from", None) is None:
            refuse(arguments, "with --demo, which reads no file", *OF_FILES)
        frame, target = table.demo(arguments.demo)
        return frame, target if arguments.target is None else arguments.target
    frame = table.read(arguments.data, text=text, **reading_options(arguments))
    if arguments.target is None:
        raise no_target(frame.columns)
    return frame, arguments.target


def public_rows(arguments: argparse.Namespace, target: str, text: tuple[str, ...] = ()) -> pd.DataFrame | None:
    """The public rows that a table's preparation is learned from, where somebody named them."""
    from jaxbm import table

    name = getattr(arguments, "prepare_from", None)
    if name is None:
        return None
    frame = table.read(name, text=text, **reading_options(arguments))
    if target not in frame.columns:
        raise ValueError(f"--prepare-from: expected the column {target!r} in {name}, which has none of that name")
    return frame


def _told_public_rows(steps: list[str], arguments: argparse.Namespace, public: pd.DataFrame) -> list[str]:
    return [
        *steps,
        f"learned from {counted(len(public), 'public row')} of {arguments.prepare_from}, not from those above:",
    ]


def _joined(training: pd.DataFrame, validation: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    both = pd.concat([training, validation])
    both.attrs = training.attrs
    return both


def split_and_prepare(
    arguments: argparse.Namespace, frame: pd.DataFrame, target: str, group: str | None = None
) -> Tables:
    """Training and test rows, prepared by what the training rows say; the column `group` is no feature."""
    from jaxbm import table
    from jaxbm.tabular.recipes import task_of_loss

    check_encoding(arguments, arguments.numbers)
    arguments.task = task_of_loss(arguments.task, arguments.loss)
    train, test = table.split(frame, target, task=arguments.task, test_size=arguments.test_size, seed=arguments.seed)
    share = getattr(arguments, "validation_split", None)
    if share:  # the last rows will be validated on: copies of a row shall not lie on both sides of them
        if group is None:
            train = _joined(*table.validation_rows(train, share))
        else:
            train = table.within_groups(train, group, share)
    counts = {"training": len(train), "test": len(test)}
    steps = table.split_summary(frame, target, counts, task=arguments.task)
    public = public_rows(arguments, target, () if group is None else (group,))
    if public is not None:
        steps = _told_public_rows(steps, arguments, public)
    learned_from = train if public is None else public
    preparation = table.prepare(
        learned_from, target, steps=steps, group=group, loss=arguments.loss, **column_options(arguments)
    )
    frames = {"training": train, "test": test}
    arrays = {name: (preparation.features(rows), preparation.labels(rows)) for name, rows in frames.items()}
    return Tables(frames, arrays, preparation)


def tell(console: Any, preparation: Preparation) -> None:
    """Print what was made of the table; names in brackets are no markup, long lines are the terminal's to wrap."""
    from jaxbm.report.fitting import say

    say(console, "Data", style="bold")
    say(console, preparation.summary())
