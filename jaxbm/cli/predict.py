"""`jaxbm predict`: a CSV file of predictions, with probabilities for classes."""

from __future__ import annotations

import argparse


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The command and its options."""
    parser = commands.add_parser("predict", help="write predictions with probabilities")
    parser.set_defaults(run=run)
    parser.add_argument("folder", help="where `jaxbm train` put the model")
    parser.add_argument("data", help="CSV file with the training table's columns; the target is not needed")
    parser.add_argument("--out", default="predictions.csv", metavar="FILE", help="CSV file to write, a line per row")


def run(arguments: argparse.Namespace) -> None:
    """Load, prepare, predict, write."""
    import numpy as np

    from jaxbm.report import terminal
    from jaxbm.saved.outputs import outputs_of

    found = outputs_of(arguments.folder, arguments.data)
    preparation, frame, logits = found.preparation, found.frame, found.logits
    out = frame[[]].copy()
    if preparation.task == "regression":
        out[preparation.target] = preparation.unscale(logits[:, 0])
    else:
        p = terminal.probabilities(logits)
        unknown = np.isnan(p).any(axis=1)  # of a group without a model
        out[preparation.target] = [
            None if u else preparation.classes[i] for u, i in zip(unknown, p.argmax(axis=1), strict=True)
        ]
        for i, name in enumerate(preparation.classes):
            out[f"probability {name}"] = p[:, i]
    out.to_csv(arguments.out, index=False)
    print(f"{len(out)} predictions written to {arguments.out}")
