"""`jaxbm groups`: one model for each group of rows of a CSV file."""

from __future__ import annotations

import argparse
import time
from contextlib import nullcontext
from typing import Any

from jaxbm.cli import private, training_options
from jaxbm.cli.data_options import add_data_options, read, split_and_prepare, tell
from jaxbm.cli.options import MembersLine, loss_of, widths
from jaxbm.cli.reporting import Clock, add_report_options, prepare_report, which, write_report
from jaxbm.cli.shared import check_can_save, measure_outputs, resumable
from jaxbm.core.words import counted
from jaxbm.optimizers import OPTIMIZERS

SHOWN_SMALL = 10


DESCRIPTION = (
    "Train a model for each group of rows of a CSV file, measure them on rows they did not see, and save them. A run "
    "that was stopped or killed goes on where it was when started again."
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    add_data_options(parser)
    groups = parser.add_argument_group("groups")
    groups.add_argument("--group", required=True, metavar="COLUMN", help="names each row's group; no feature")
    told = "smaller groups get no model of their own"
    groups.add_argument("--min-rows", type=int, default=20, metavar="20", help=told)
    groups.add_argument("--pooled", action="store_true", help="train one more model of all rows, for small groups")
    groups.add_argument("--out", default="groups", metavar="FOLDER", help="where the models go [groups]")
    model = parser.add_argument_group("model")
    model.add_argument("--hidden", type=widths, default=(16,), metavar="16", help="hidden widths")
    model.add_argument("--activation", default="relu", metavar="relu", help="a name from jaxbm.models.activations")
    training = parser.add_argument_group("training")
    training.add_argument("--loss", metavar="NAME", help="a name from jaxbm.losses [by task]")
    training.add_argument("--optimizer", choices=tuple(OPTIMIZERS), default="adam", help="[adam]")
    training.add_argument("--learning-rate", type=float, default=1e-2, metavar="RATE", help="[0.01]")
    training_options.add(training, "validation_split", *training_options.TAKEN, epochs=20)
    private.add_privacy_options(parser)
    add_report_options(parser)


def run(arguments: argparse.Namespace) -> None:
    """Read, split, prepare, train, measure, save."""
    import jaxbm
    from jaxbm.core.names import unknown
    from jaxbm.report import terminal
    from jaxbm.report.fitting import console as make_console
    from jaxbm.report.fitting import say
    from jaxbm.saved import many_models
    from jaxbm.saved.outputs import labels_of

    arguments.privacy = private.privacy_of(arguments)
    training_options.check(arguments, [arguments.hidden], patience=arguments.patience)
    clock = Clock()
    frame, target = read(arguments, text=(arguments.group,))
    if arguments.group not in frame.columns or arguments.group == target:
        raise unknown("group", arguments.group, [str(name) for name in frame.columns if name != target])
    if frame[arguments.group].isna().any():
        raise ValueError(f"group: column {arguments.group!r} has missing values")
    many_models.check_folder(arguments.out)  # before the work, not after it
    check_can_save(arguments.out)
    tables = split_and_prepare(arguments, frame, target, arguments.group)
    console = make_console()
    tell(console, tables.preparation)
    clock.lap("read and prepare")
    prepare_report(arguments)
    # A private run's key is kept nowhere, so that such a run can't be gone on with.
    with resumable(arguments.out) if arguments.privacy is None else nullcontext() as unfinished:
        result = _fit(arguments, tables, unfinished, console)
        clock.lap("train, compilation included")
        loss = loss_of(tables.preparation.task, arguments.loss)
        scores = _scores(result, tables, arguments.group, loss)
        console.print(terminal.metrics_table(scores))
        private.tell(console, result.privacy, arguments)
        arguments.outcome |= {
            "task": tables.preparation.task, "loss": loss, "metrics": scores, "models": len(result.labels),
            "without_a_model": result.too_small, "pooled": result.pooled is not None, "out": arguments.out,
        }  # fmt: skip
        kept = {} if result.privacy is None else {"privacy": result.privacy.described()}
        arguments.outcome |= kept
        metadata = {"loss": loss, "metrics": scores, "seed": arguments.seed, "group": arguments.group, **kept}
        jaxbm.save_members(arguments.out, result, preparation=tables.preparation, metadata=metadata)
    say(console, f"\nmodels saved in {arguments.out}")
    groups = {name: labels_of(rows, arguments.group) for name, rows in tables.frames.items()}
    data = {name: (*part, groups[name]) for name, part in tables.arrays.items()}
    trained_by = which(result.model, loss, privacy=arguments.privacy, **training_options.given(arguments))
    write_report(
        arguments, result, data, tables.preparation, clock, console=console, implementation=trained_by,
        caveats=private.caveats(arguments),
    )  # fmt: skip


def _scores(result: Any, tables: Any, group: str, loss: str) -> dict[str, dict[str, float]]:
    """Metrics of the rows whose group has a model."""
    from jaxbm.saved.outputs import labels_of

    scores = {}
    for name, (x, y) in tables.arrays.items():
        outputs = result.predict(x, labels_of(tables.frames[name], group))
        known = ~(outputs != outputs).any(axis=1)
        if known.any():
            scores[name] = measure_outputs(result.model, outputs[known], tables.preparation, loss, y[known])
    return scores


def _fit(arguments: argparse.Namespace, tables: Any, unfinished: Any, console: Any) -> Any:
    import jax

    import jaxbm
    from jaxbm.privacy import entropy_key
    from jaxbm.report.fitting import say
    from jaxbm.saved.outputs import labels_of

    x, y = tables.arrays["training"]
    model = jaxbm.MLP((x.shape[1], *arguments.hidden, tables.preparation.n_outputs), arguments.activation)
    key = jax.random.key(arguments.seed) if arguments.privacy is None else entropy_key()
    began = time.perf_counter()
    with MembersLine() as line:
        result = jaxbm.fit_groups(
            key, model, x, y, labels_of(tables.frames["training"], arguments.group),
            loss=loss_of(tables.preparation.task, arguments.loss), min_rows=arguments.min_rows,
            pooled=arguments.pooled,
            optimizer=jaxbm.optimizers.optimizer(arguments.optimizer)(arguments.learning_rate),
            validation_split=arguments.validation_split, folder=unfinished, progress=line.progress,
            privacy=arguments.privacy,
            **training_options.given(arguments),
        )  # fmt: skip
    seconds, few = time.perf_counter() - began, len(result.too_small)
    small = (
        f", {counted(few, 'group')} {'has' if few == 1 else 'have'} fewer than {counted(arguments.min_rows, 'row')}"
        if few
        else ""
    )
    say(console, f"{counted(len(result.labels), 'model')} in {seconds:.2f} s, compilation included{small}")
    for label, rows in list(zip(result.too_small, result.too_small_counts, strict=True))[:SHOWN_SMALL]:
        say(console, f"  no model of its own: {label} ({counted(rows, 'row')})")
    if few > SHOWN_SMALL:
        say(console, f"  and {few - SHOWN_SMALL} more")
    return result
