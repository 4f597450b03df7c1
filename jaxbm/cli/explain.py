"""`jaxbm explain`: which columns a saved model goes by, and how."""

from __future__ import annotations

import argparse
from typing import Any

from jaxbm.cli.data_options import add_model_and_rows, add_reading_options, reading_options
from jaxbm.core.extras import needs
from jaxbm.core.words import counted

PICTURED = 6
OUT = "explanation.html"


DESCRIPTION = (
    "Permutation importance of each column on rows with labels, better not those trained on; for the most important "
    "ones partial dependence, single rows' curves and accumulated local effects as pictures."
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    add_model_and_rows(parser)
    parser.add_argument("--columns", nargs="+", metavar="NAME", help="only these")
    parser.add_argument("--metric", metavar="NAME", help="a name from jaxbm.metrics [accuracy or r2]")
    parser.add_argument("--repeats", type=int, default=10, metavar="10", help="orders of the rows")
    parser.add_argument("--seed", type=int, default=0, metavar="0", help="of the orders")
    parser.add_argument("--out", default=OUT, metavar="FILE", help=f"pictures [{OUT}]")
    parser.add_argument("--no-pictures", action="store_true", help="write none")
    add_reading_options(parser)


def run(arguments: argparse.Namespace) -> None:
    """Load, permute, tell, draw."""
    import jax

    from jaxbm import table, understand
    from jaxbm.cli.shared import check_file, refuse
    from jaxbm.metrics.table import DECIDED, WAYS
    from jaxbm.report.fitting import Fitting, say
    from jaxbm.report.fitting import console as make_console
    from jaxbm.report.parts import number
    from jaxbm.saved.outputs import load_any
    from jaxbm.studies.fit_groups import GroupsResult

    if arguments.no_pictures:
        refuse(arguments, "beside --no-pictures", "out")
    else:
        check_file(arguments.out, "--out")
        needs("the page of pictures", ", or --no-pictures").require("matplotlib")
    saved = load_any(arguments.folder)
    if isinstance(getattr(saved, "predictor", None), GroupsResult):
        raise ValueError(
            f"{arguments.folder}: expected one model or an ensemble, got models by group; in Python, "
            "jaxbm.understand takes (groups.model, groups.member(label).params)"
        )
    whole = table.read(arguments.data, like=saved.preparation, **reading_options(arguments))
    frame = saved.preparation.labelled(whole)
    if len(frame) < len(whole):
        print(f"left out {counted(len(whole) - len(frame), 'row')} without a label")
    key = jax.random.key(arguments.seed)
    found = understand.permutation_importance(
        key, saved, frame, metric=arguments.metric, repeats=arguments.repeats, columns=arguments.columns
    )
    lines = [
        [found.names[i], number(float(found.mean[i])), number(float(found.standard_error[i]))] for i in found.order
    ]
    console = make_console()
    told = f"{found.metric} of {counted(len(frame), 'row')}: {number(found.baseline)}"
    told += "; how much worse without each column:"
    say(console, told)
    console.print(Fitting(["", "importance", "standard error"], lines))
    if WAYS[found.metric][1] == DECIDED and not found.importances.any():
        say(console, "no column's disorder changes a class that is predicted; see probabilities by --metric log_loss")
    arguments.outcome = {
        "metric": found.metric,
        "baseline": found.baseline,
        "rows": len(frame),
        "columns": {
            found.names[i]: {"importance": found.mean[i], "standard_error": found.standard_error[i]}
            for i in found.order
        },
    }
    if not arguments.no_pictures:
        path = _pictures(arguments, saved, frame, found)
        arguments.outcome["pictures"] = str(path)
        say(console, f"\npictures in {path}")


def _pictures(arguments: argparse.Namespace, saved: Any, frame: Any, found: Any) -> Any:
    from jaxbm.report.explanation import explanation

    names = [found.names[i] for i in found.order[:PICTURED]]
    return explanation(arguments.out, saved, frame, found, names, command=["jaxbm", *arguments.argv])
