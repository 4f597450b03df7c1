"""`jaxbm predict`: a CSV file of predictions, with probabilities for classes."""

from __future__ import annotations

import argparse

from jaxbm.cli.shared import load_model


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The command and its options."""
    parser = commands.add_parser("predict", help="write predictions with probabilities")
    parser.set_defaults(run=run)
    parser.add_argument("folder", help="where `jaxbm train` put the model")
    parser.add_argument("data", help="CSV file with the training table's columns; the target is not needed")
    parser.add_argument("--out", default="predictions.csv", metavar="FILE", help="CSV file to write, a line per row")


def run(arguments: argparse.Namespace) -> None:
    """Load, prepare, predict, write."""
    import jaxbm
    from jaxbm import report, table

    saved = load_model(arguments.folder)
    preparation, frame = saved.preparation, table.read(arguments.data)
    logits = jaxbm.predict(saved.model, saved.params, preparation.features(frame))
    out = frame[[]].copy()
    if preparation.task == "regression":
        out[preparation.target] = preparation.unscale(logits[:, 0])
    else:
        p = report.probabilities(logits)
        out[preparation.target] = [preparation.classes[i] for i in p.argmax(axis=1)]
        for i, name in enumerate(preparation.classes):
            out[f"probability {name}"] = p[:, i]
    out.to_csv(arguments.out, index=False)
    print(f"{len(out)} predictions written to {arguments.out}")
