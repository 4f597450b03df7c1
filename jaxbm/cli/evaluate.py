"""`jaxbm evaluate`: the metrics of a saved model on a CSV file."""

from __future__ import annotations

import argparse

from jaxbm.cli.shared import load_model, measure


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The command and its options."""
    parser = commands.add_parser("evaluate", help="measure a saved model on a CSV file")
    parser.set_defaults(run=run)
    parser.add_argument("folder", help="where `jaxbm train` put the model")
    parser.add_argument("data", help="CSV file with the training table's columns")


def run(arguments: argparse.Namespace) -> None:
    """Load, prepare, measure, show."""
    from rich.console import Console

    from jaxbm import report, table

    saved = load_model(arguments.folder)
    preparation, frame = saved.preparation, table.read(arguments.data)
    rows = table.labelled(frame, preparation.target)
    if len(rows) < len(frame):
        print(f"left out {len(frame) - len(rows)} rows without a label")
    x, y = preparation.features(rows), preparation.labels(rows)
    values = measure(saved.model, saved.params, preparation, saved.metadata["loss"], x, y)
    Console(highlight=False).print(report.metrics_table({f"{len(rows)} rows": values}))
