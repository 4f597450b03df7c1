"""`jaxbm sweep`: many hyper-parameters on a CSV file, to a table of trials and the best model."""

from __future__ import annotations

import argparse
import pathlib
import time
from typing import Any

from jaxbm.cli import training_options
from jaxbm.cli.data_options import Tables, add_data_options, read, split_and_prepare, tell
from jaxbm.cli.options import MembersLine, loss_of, widths
from jaxbm.cli.reporting import Clock, add_report_options, prepare_report, which, write_report
from jaxbm.cli.shared import check_can_save, measure, refuse, told_interval
from jaxbm.core.words import counted
from jaxbm.metrics.table import check_task
from jaxbm.optimizers import OPTIMIZERS, numbers_of
from jaxbm.run.options import OPTIONS, SEARCHED

RANGES = ("learning_rate", "weight_decay", "momentum", *(name for name in SEARCHED if name != "epochs"))
SHOWN_TRIALS = 10


DESCRIPTION = (
    "Each hyper-parameter is a range, log:LOW:HIGH, uniform:LOW:HIGH or int:LOW:HIGH, or a list of values to choose "
    "from. A sweep that was stopped or killed goes on where it was when started again."
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    add_data_options(parser)
    searched = parser.add_argument_group("what is searched", "a range, or values to choose from; one value fixes it")
    for name in RANGES:
        told = OPTIONS[name].brief if name in OPTIONS else f"{name.replace('_', ' ')} of the optimizer"
        told += " [log:1e-4:1e-1]" if name == "learning_rate" else ""
        searched.add_argument(f"--{name.replace('_', '-')}", nargs="+", metavar="RANGE", help=told)
    searched.add_argument(
        "--hidden", nargs="+", type=widths, default=[(64, 32)], metavar="64,32", help="hidden widths"
    )
    for flag, default in (("--activation", "relu"), ("--weight-init", "glorot_uniform")):
        told = f"one to fix it, several to choose from [{default}]"
        searched.add_argument(flag, nargs="+", default=[default], metavar="NAME", help=told)
    trials = parser.add_argument_group("trials")
    trials.add_argument("--trials", type=int, default=20, metavar="20", help="how many points are tried")
    told = "how points are drawn from the ranges [random]"
    trials.add_argument("--method", choices=("random", "sobol", "grid"), default="random", help=told)
    trials.add_argument("--grid-points", type=int, default=5, metavar="5", help="values of each range in a grid")
    told = "members of each trial that differ in their seed"
    trials.add_argument("--seeds", type=int, default=1, metavar="1", help=told)
    trials.add_argument("--folds", type=int, metavar="N", help="cross-validate; otherwise --validation-split")
    training_options.add(trials, "validation_split", validation_split=0.2)
    told = "what to compare the trials by: loss, or a name from jaxbm.metrics [loss]"
    trials.add_argument("--metric", default="loss", metavar="NAME", help=told)
    trials.add_argument("--halving", type=int, metavar="FACTOR", help="successive halving by this factor")
    trials.add_argument("--min-epochs", type=int, metavar="N", help="epochs of the first round of halving")
    trials.add_argument("--out", default="sweep", metavar="FOLDER", help="where trials and the best model go [sweep]")
    training = parser.add_argument_group("training")
    training.add_argument("--optimizer", choices=tuple(OPTIMIZERS), default="adam", help="[adam]")
    training.add_argument("--loss", metavar="NAME", help="a name from jaxbm.losses [by task]")
    training_options.add(training, "epochs")
    add_report_options(parser)


def run(arguments: argparse.Namespace) -> None:
    """Read, split, prepare, sweep, show, save."""
    import jaxbm
    from jaxbm.report.fitting import console as make_console
    from jaxbm.report.fitting import say

    if arguments.method != "grid":
        refuse(arguments, f"with --method {arguments.method}; a grid has them", "grid_points")
    else:
        refuse(arguments, "with --method grid, which tries every combination", "trials")
    if arguments.halving is None:
        refuse(arguments, "without --halving", "min_epochs")
    if arguments.folds is not None and arguments.validation_split:
        refuse(arguments, "beside --folds, which validate already", "validation_split")
    training_options.check(arguments, arguments.hidden, patience=arguments.patience)
    having = {name: [maker for maker in OPTIMIZERS if name in numbers_of(maker)] for name in RANGES}
    for name, makers in having.items():
        if makers and arguments.optimizer not in makers:
            refuse(arguments, f"with --optimizer {arguments.optimizer}; {' and '.join(makers)} has it", name)
    searched = _searched(arguments)
    check_can_save(arguments.out)
    console = make_console()
    clock = Clock()
    tables = split_and_prepare(arguments, *read(arguments))
    if arguments.metric != "loss":
        check_task("--metric", arguments.metric, tables.preparation.task)
    tell(console, tables.preparation)
    clock.lap("read and prepare")
    prepare_report(arguments)
    out, began = pathlib.Path(arguments.out), time.perf_counter()
    try:
        with MembersLine() as line:
            result = _sweep(arguments, searched, tables, out, line)
    except jaxbm.SweepInterrupted as interruption:
        if interruption.result.finished:
            _show(console, interruption.result, out)
        done, trials = interruption.result.finished, len(interruption.result.trials)
        say(console, f"{done} of {trials} trials are finished, kept in {out}; start the same command again to go on")
        raise
    seconds = time.perf_counter() - began
    clock.lap("sweep, compilation included")
    members = result.scores.size
    made = f"{counted(len(result.trials), 'trial')}, {counted(members, 'member')}"
    say(console, f"{made} in {seconds:.2f} s, compilation included\n")
    _show(console, result, out)
    _save(console, arguments, tables, result, out)
    trained_by = which(result.model, _loss(arguments, tables))
    write_report(
        arguments, result, tables.arrays, tables.preparation, clock, console=console, implementation=trained_by
    )


def _searched(arguments: argparse.Namespace) -> dict[str, Any]:
    """The search space; ValueError, which names the option, where its words make no sense."""
    from jaxbm.studies import space

    searched: dict[str, Any] = {}
    for name in RANGES:
        if (words := getattr(arguments, name)) is not None:
            is_whole = name in OPTIONS and training_options.is_whole(name)
            try:
                searched[name] = space.parse(words, int if is_whole else float)
            except ValueError as error:
                flag = f"--{name.replace('_', '-')}"
                raise ValueError(f"{flag}: {str(error).removeprefix('space: ')}") from None
    for name in ("hidden", "activation", "weight_init"):
        searched[name] = space.Choice(tuple(getattr(arguments, name)))
    searched.setdefault("learning_rate", space.LogUniform(1e-4, 1e-1))
    return searched


def _sweep(
    arguments: argparse.Namespace, searched: dict[str, Any], tables: Tables, out: pathlib.Path, line: MembersLine
) -> Any:
    import jax

    import jaxbm

    x, y = tables.arrays["training"]
    model = jaxbm.MLP((x.shape[1], tables.preparation.n_outputs))
    return jaxbm.sweep(
        searched, jax.random.key(arguments.seed), model, x, y, loss=_loss(arguments, tables),
        trials=arguments.trials, method=arguments.method, grid_points=arguments.grid_points, seeds=arguments.seeds,
        folds=_folds(arguments, tables), halving=arguments.halving, min_epochs=arguments.min_epochs,
        optimizer=arguments.optimizer, metric=arguments.metric,
        metrics=[] if arguments.metric == "loss" else [arguments.metric], epochs=arguments.epochs,
        validation_split=arguments.validation_split, folder=out / "rounds",
        progress=line.progress,
    )  # fmt: skip


def _folds(arguments: argparse.Namespace, tables: Tables) -> Any:
    """How many folds; or, where the table has copies of rows, the folds themselves, each row's copies in one."""
    from jaxbm.studies.folds import is_classification, make_folds
    from jaxbm.table.copies import copies, folds_together

    groups = None if arguments.folds is None else copies(tables.frames["training"])
    if groups is None:
        return arguments.folds
    y = tables.arrays["training"][1]
    stratified = is_classification(_loss(arguments, tables), y)
    return folds_together(groups, make_folds(len(y), y, arguments.folds, stratified=stratified, seed=arguments.seed))


def _loss(arguments: argparse.Namespace, tables: Tables) -> str:
    return loss_of(tables.preparation.task, arguments.loss)


def _show(console: Any, result: Any, out: pathlib.Path) -> None:
    from jaxbm.report.fitting import Fitting, say

    frame = result.table()
    frame.to_csv(out / "trials.csv", index=False)
    rows = [
        [f"{value:.4g}" if isinstance(value, float) else str(value) for value in row]
        for row in frame.head(SHOWN_TRIALS).itertuples(index=False)
    ]
    console.print(Fitting([name.replace("_", " ") for name in frame.columns], rows, labelled=False))
    say(console, f"\n{counted(len(frame), 'trial')} in {out / 'trials.csv'}")


def _save(console: Any, arguments: argparse.Namespace, tables: Tables, result: Any, out: pathlib.Path) -> None:
    import jaxbm
    from jaxbm.report import terminal
    from jaxbm.report.fitting import say

    loss, params = _loss(arguments, tables), result.refit.params
    rows = {
        name: measure(result.model, params, tables.preparation, loss, *part) for name, part in tables.arrays.items()
    }
    say(console, "\nBest trial, trained on all training rows", style="bold")
    console.print(terminal.metrics_table(rows))
    x, y = tables.arrays["test"]
    say(console, told_interval(jaxbm.predict(result.model, params, x), tables.preparation, y, "test"))
    arguments.outcome |= {
        "task": tables.preparation.task, "metric": result.metric, "trials": len(result.trials),
        "best": _plain(result.best_values), "best_score": result.mean[result.best], "loss": loss, "metrics": rows,
        "trials_csv": str(out / "trials.csv"), "out": str(out / "model"),
    }  # fmt: skip
    metadata = {"loss": loss, "metrics": rows, "seed": arguments.seed, "trial": _plain(result.best_values)}
    jaxbm.save(out / "model", result.model, params, preparation=tables.preparation, metadata=metadata)
    say(console, f"\nmodel saved in {out / 'model'}")


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
