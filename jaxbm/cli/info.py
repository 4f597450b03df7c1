"""`jaxbm info`: devices, versions and kernels; of a table, what its columns are taken for."""

from __future__ import annotations

import argparse
import pathlib
from typing import TYPE_CHECKING, Any

from jaxbm.cli.data_options import (
    add_column_options,
    add_reading_options,
    check_encoding,
    column_options,
    reading_options,
)
from jaxbm.cli.shared import check_file, no_target, refuse
from jaxbm.tabular.recipes import DEFAULT, PRESETS

if TYPE_CHECKING:
    from jaxbm.table import Preparation


DESCRIPTION = (
    "With a file, what `jaxbm train` would make of it: every column's kind, why, its missing cells and what it "
    "becomes. Without one, devices, versions, and which implementations are on."
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument(
        "data", nargs="?", metavar="data.csv", help="CSV, Parquet, Feather or JSON file, - for standard input"
    )
    parser.add_argument("--target", metavar="COLUMN", help="column to predict")
    parser.add_argument(
        "--write-types", metavar="FILE", help="write the kinds to a file, to correct and pass as --types"
    )
    add_reading_options(parser)
    add_column_options(parser, preset=True)


def run(arguments: argparse.Namespace) -> None:
    """Print one or the other."""
    if arguments.data is None:
        refuse(arguments, "without a file", *sorted(arguments.given - {"json"}))
        arguments.outcome |= _machine()
    else:
        _table(arguments)


def _machine() -> dict[str, Any]:
    import platform
    from importlib.metadata import version

    import jax

    import jaxbm
    from jaxbm.report.fitting import console, say

    screen = console()
    versions = {name: version(name) for name in ("jax", "jaxlib", "optax", "numpy")}
    devices, states = [str(device) for device in jax.devices()], jaxbm.kernels.status()
    say(screen, f"jaxbm {jaxbm.__version__}, Python {platform.python_version()}")
    say(screen, ", ".join(f"{name} {number}" for name, number in versions.items()))
    say(screen, "devices: " + ", ".join(devices))
    for name, state in states.items():
        say(screen, f"{name}: {state if state.startswith('on') else 'off, ' + state}")
    versions = {"jaxbm": jaxbm.__version__, "python": platform.python_version(), **versions}
    return {"versions": versions, "devices": devices, "implementations": states}


def _table(arguments: argparse.Namespace) -> None:
    from jaxbm import table
    from jaxbm.report.fitting import console, say

    if pathlib.Path(arguments.data).is_dir():
        raise ValueError(
            f"data: expected a CSV, Parquet, Feather or JSON file, {arguments.data} is a folder; "
            "jaxbm evaluate, predict and explain take the folder of a model"
        )
    if arguments.write_types is not None:
        check_file(arguments.write_types, "--write-types")
    frame = table.read(arguments.data, **reading_options(arguments))
    if arguments.target is None:
        raise no_target(frame.columns)
    usual = PRESETS[DEFAULT]
    check_encoding(arguments, arguments.numbers or usual.numbers)
    for name in ("numbers", "bins", "frequencies", "categories"):
        if getattr(arguments, name) is None:
            setattr(arguments, name, getattr(usual, name))
    preparation = table.prepare(frame, arguments.target, **column_options(arguments))
    described = {name: list(lines) for name, *lines in _columns(preparation)}
    arguments.outcome |= {"task": preparation.task, "steps": preparation.steps, "columns": described}
    screen = console()
    for step in preparation.steps:
        if not step.startswith(("columns:", "  ")):
            say(screen, step)
    screen.print()
    for name, *lines in _columns(preparation):
        say(screen, name, style="bold")
        for line in lines:
            say(screen, f"  {line}")
    screen.print(f"\n{table.types_text(preparation)}", markup=False, soft_wrap=True)
    if arguments.write_types is None:
        print("where a kind is wrong: --write-types FILE, correct it, and --types FILE")
        return
    path = pathlib.Path(arguments.write_types)
    path.write_text(table.types_text(preparation), encoding="utf-8")
    print(f"written to {path}; correct what is wrong and pass it as --types {path}")


def _columns(preparation: Preparation) -> list[tuple[str, ...]]:
    """For each column its name, and lines about it."""
    from jaxbm.table.telling import share

    described = []
    for column in [*preparation.columns, *preparation.dropped]:
        lines = [f"{column.kind}: {column.why}", f"{share(column.missing)} missing, becomes: {column.became}"]
        described.append((column.name, *lines, *([f"note: {column.note}"] if column.note else [])))
    return described
