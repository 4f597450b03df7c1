"""`jaxbm evaluate`: the metrics of a saved model on a CSV file."""

from __future__ import annotations

import argparse

from jaxbm.cli.data_options import add_model_and_rows, add_reading_options, reading_options
from jaxbm.cli.shared import measure_outputs, told_interval
from jaxbm.core.words import counted

DESCRIPTION = (
    "The loss and the metrics of a saved model, an ensemble or models by group on rows with labels, which are read, "
    "cleaned and encoded as the training table was."
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    add_model_and_rows(parser)
    add_reading_options(parser)


def run(arguments: argparse.Namespace) -> None:
    """Load, prepare, measure, show."""
    import numpy as np

    from jaxbm.report import terminal
    from jaxbm.report.fitting import console as make_console
    from jaxbm.report.fitting import say
    from jaxbm.saved.outputs import outputs_of

    found = outputs_of(arguments.folder, arguments.data, labelled=True, **reading_options(arguments))
    if found.left_out:
        print(f"left out {counted(found.left_out, 'row')} without a label")
    known = ~np.isnan(found.logits).any(axis=1)
    apart = int(len(known) - known.sum())
    if not known.any():
        raise ValueError(f"data: expected rows of groups with a model, got none among {len(known)}")
    if apart:
        print(f"left out {counted(apart, 'row')} of groups without a model")
    y = found.preparation.labels(found.frame)[known]
    values = measure_outputs(found.model, found.logits[known], found.preparation, found.loss, y)
    arguments.outcome |= {
        "rows": int(known.sum()),
        "left_out": found.left_out,
        "without_model": apart,
        "metrics": values,
    }
    console = make_console()
    console.print(terminal.metrics_table({counted(int(known.sum()), "row"): values}))
    told = told_interval(found.logits[known], found.preparation, y, "their")
    say(console, told)
