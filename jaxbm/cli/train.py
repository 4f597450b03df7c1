"""`jaxbm train`: from a CSV file to a saved model and a table of metrics."""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from jaxbm.cli import private, training_options
from jaxbm.cli.compiling import compilation, total
from jaxbm.cli.data_options import add_data_options, columns_of, public_rows, read, tell
from jaxbm.cli.options import MembersLine, widths
from jaxbm.cli.reporting import Clock, add_report_options, prepare_report, which, write_report
from jaxbm.cli.shared import check_can_save, measure_outputs, resumable, told_interval
from jaxbm.core.words import counted
from jaxbm.optimizers import OPTIMIZERS
from jaxbm.tabular.recipes import DEFAULT, PRESETS, Recipe, recipe_of, task_of_loss

if TYPE_CHECKING:
    import pathlib

    import pandas as pd

    from jaxbm.tabular import Fitted, Plan

CHANGES = (
    *("hidden", "activation", "weight_init", "numbers", "bins", "frequencies", "categories", "members", "folds"),
    *("validation_split", "optimizer", "learning_rate", "loss", "time"),
)
"""Fields of a recipe that are options of the command."""


DESCRIPTION = (
    "Train on a CSV file, measure on rows that were not seen, and save. What isn't said is the preset's: accurate "
    "trains an ensemble, each network of which is validated on another part of the rows; classic trains one network "
    "of 64 and 32 units for ten epochs; best searches for --time seconds. A run of an ensemble or a search that was "
    "stopped or killed goes on where it was when started again."
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    data = add_data_options(parser, preset=True)
    training_options.add(data, "validation_split", validation_split=None)
    data.add_argument("--folds", type=int, metavar="N", help="parts of the rows that validate members in turn [8]")
    data.add_argument("--out", default="model", metavar="FOLDER", help="where the model goes [model]")
    model = parser.add_argument_group("model")
    model.add_argument(
        "--preset",
        choices=tuple(PRESETS),
        help=f"what is decided where nothing is said [{DEFAULT}; private: classic]",
    )
    model.add_argument("--time", type=float, metavar="SECONDS", help="of the preset best [60]")
    model.add_argument("--hidden", type=widths, metavar="64,32", help="widths of hidden layers")
    model.add_argument("--activation", metavar="relu", help="a name from jaxbm.models.activations")
    model.add_argument("--weight-init", metavar="NAME", help="initialiser [glorot_uniform]")
    training = parser.add_argument_group("training")
    none: dict[str, Any] = dict.fromkeys(training_options.TAKEN)
    training_options.add(training, *training_options.TAKEN, "bootstrap", **none)
    training.add_argument("--sample-weight", metavar="COLUMN", help="how much each row counts; no feature")
    training.add_argument("--class-weight", choices=("balanced",), help="rows of rare classes count more")
    training.add_argument("--optimizer", choices=tuple(OPTIMIZERS), help="[adam]")
    training.add_argument("--learning-rate", type=float, metavar="RATE", help="[0.002; classic 0.001]")
    training.add_argument(
        "--loss", metavar="NAME", help="of jaxbm.losses, such as 'pinball_loss(quantiles=0.9)' [by task]"
    )
    training.add_argument("--noise", type=float, metavar="STD", help="augment by Gaussian noise of this deviation")
    training.add_argument("--mask", type=float, metavar="RATE", help="augment by masking features at this rate")
    training.add_argument("--members", type=int, metavar="N", help="an ensemble of so many networks [16; classic 1]")
    private.add_privacy_options(parser)
    add_report_options(parser)


def run(arguments: argparse.Namespace) -> None:
    """Read, split, prepare, train, measure, save; each told to the user."""
    from jaxbm.report.fitting import console as make_console
    from jaxbm.report.fitting import say
    from jaxbm.saved import many_models, one_model

    arguments.privacy = private.privacy_of(arguments)
    if arguments.preset is None:  # the default's members are validated on private rows
        arguments.preset = DEFAULT if arguments.privacy is None else "classic"
    changes = _changes(arguments)
    recipe = recipe_of(arguments.preset, changes, 0)
    training_options.check(arguments, [recipe.hidden], **recipe.training)
    check_can_save(arguments.out)
    clock = Clock()
    plan, test = _planned(arguments, recipe, changes)
    # An ensemble is stored in another way than one model.
    (many_models if plan.is_ensemble else one_model).check_folder(arguments.out)  # before the work, not after it
    console = make_console()
    tell(console, plan.preparation)
    clock.lap("read and prepare")
    prepare_report(arguments)
    can_resume = plan.is_ensemble and arguments.privacy is None  # a private run's key is kept nowhere
    with resumable(arguments.out) if can_resume else nullcontext() as unfinished:
        fitted = _trained(plan, unfinished, clock)
        sets = fitted.sets(test)
        why = _told_and_saved(arguments, fitted, sets, console, clock)
    say(console, f"\nmodel saved in {arguments.out}")
    unseen = "out of fold"
    options: dict[str, Any] = {"console": console, "implementation": why, "model": fitted.ensemble or fitted.model}
    options["caveats"] = private.caveats(arguments)
    outputs = {unseen: fitted.outputs_of(unseen, sets[unseen][0])} if unseen in sets else {}
    write_report(arguments, fitted.result, sets, plan.preparation, clock, outputs=outputs, **options)


def _changes(arguments: argparse.Namespace) -> dict[str, Any]:
    """What the command says otherwise than its preset."""
    given = training_options.given(arguments) | {name: getattr(arguments, name) for name in CHANGES}
    given |= {"augment": _augmentation(arguments), "bootstrap": arguments.bootstrap or None}
    given["privacy"] = arguments.privacy
    return {name: value for name, value in given.items() if value is not None}


def _planned(
    arguments: argparse.Namespace, recipe: Recipe, changes: dict[str, Any]
) -> tuple[Plan, pd.DataFrame | None]:
    """The table prepared, and the rows set apart for a test."""
    from jaxbm import table, tabular

    arguments.task = task_of_loss(arguments.task, recipe.loss)
    frame, target = read(arguments)
    if not (arguments.test_size or recipe.folds):
        raise ValueError("--test-size: expected more than 0 where no folds tell how good it is, got 0")
    rest, test = frame, None
    if arguments.test_size:
        rest, test = table.split(
            frame, target, task=arguments.task, test_size=arguments.test_size, seed=arguments.seed
        )
    options = {"task": arguments.task, "seed": arguments.seed, "columns": columns_of(arguments)}
    options["prepare_from"] = public_rows(arguments, target)
    options |= {name: getattr(arguments, name) for name in ("sample_weight", "class_weight")}
    return tabular.plan(rest, target, arguments.preset, test=test, whole=frame, changes=changes, **options), test


def _trained(plan: Plan, folder: pathlib.Path | None, clock: Clock) -> Fitted:
    import jax

    from jaxbm import tabular

    began = time.perf_counter()
    with compilation() as intervals, MembersLine() as line:
        progress = sys.stderr.isatty() if folder is None else line.progress
        fitted = tabular.train(plan, folder=folder, progress=progress)
        jax.block_until_ready(fitted.result)
    seconds, compiling = time.perf_counter() - began, total(intervals)
    clock.seconds |= {"compile": compiling, "train": seconds - compiling}
    clock.seconds["steps a second"] = _steps(fitted) / max(seconds - compiling, 1e-9)
    return fitted


def _told_and_saved(
    arguments: argparse.Namespace, fitted: Fitted, sets: dict[str, Any], console: Any, clock: Clock
) -> str:
    """Metrics on the terminal and in the outcome, the model in its folder; which implementation trained it."""
    from jaxbm.report import terminal
    from jaxbm.report.fitting import say

    plan, seconds = fitted.plan, (clock.seconds["compile"], clock.seconds["train"])
    say(console, "\nModel", style="bold")
    say(console, fitted.model.summary())
    say(console, f"preset {plan.recipe.told}")
    for one in fitted.metadata.get("chosen", ()):
        say(console, f"  {_chosen(one)}")
    logits = {name: fitted.outputs_of(name, x) for name, (x, _) in sets.items()}
    measured = {
        name: measure_outputs(fitted.model, logits[name], plan.preparation, plan.loss, y)
        for name, (_, y) in sets.items()
    }
    say(console, "\nTraining", style="bold")
    say(console, f"{_told(fitted, seconds)}\n")
    console.print(terminal.metrics_table(measured))
    last = list(sets)[-1]
    told = told_interval(logits[last], plan.preparation, sets[last][1], last)
    say(console, told)
    private.tell(console, fitted.result.privacy, arguments)
    if "privacy" in fitted.metadata:
        arguments.outcome["privacy"] = fitted.metadata["privacy"]
    spent = dict(zip(("compile", "train"), seconds, strict=True))
    fitted.metadata["metrics"] |= measured
    arguments.outcome |= {"task": plan.task, "preset": plan.recipe.name, "model": fitted.model.describe()}
    arguments.outcome |= {"loss": plan.loss, "metrics": measured, "epochs_run": fitted.metadata["epochs_run"]}
    arguments.outcome |= {
        "members": 1 if fitted.ensemble is None else fitted.ensemble.members,
        "seconds": spent,
        "out": arguments.out,
    }
    fitted.save(arguments.out)
    asked: dict[str, Any] = {
        name: plan.recipe.training.get(name) for name in ("implementation", "precision", "privacy")
    }
    return which(fitted.model, plan.loss, **asked)


def _chosen(one: dict[str, Any]) -> str:
    hidden = "-".join(map(str, one["hidden"]))
    rates = f"rate {one['learning_rate']:.2g}, dropout {one['dropout']:.2f}, decay {one['weight_decay']:.2g}"
    return f"{one['weight']:.1%}: {hidden}, {rates}; loss {one['loss']:.4g} by itself"


def _steps(fitted: Fitted) -> int:
    """Updates of one network that were made in all."""
    import numpy as np

    plan, batch = fitted.plan, fitted.plan.recipe.training.get("batch_size", 32)
    rows = len(plan.training[0]) if plan.folds is None else np.asarray([len(train) for train, _ in plan.folds])
    return int(np.sum(np.asarray(fitted.result.epochs_run) * -(-rows // batch)))


def _augmentation(arguments: argparse.Namespace) -> Any:
    from jaxbm import augment

    steps: list[Any] = []
    if arguments.noise is not None:
        steps.append(augment.GaussianNoise(arguments.noise))
    if arguments.mask is not None:
        steps.append(augment.FeatureMasking(arguments.mask))
    return augment.Compose(tuple(steps)) if steps else None


def _told(fitted: Fitted, seconds: tuple[float, float]) -> str:
    import numpy as np

    training = fitted.plan.recipe.training
    ran, best = int(np.max(np.asarray(fitted.result.epochs_run))), int(np.median(fitted.result.best_epoch))
    text = f"{counted(ran, 'epoch')} in {seconds[1]:.3f} s, after {seconds[0]:.2f} s of compilation"
    if training.get("patience") is None:
        return text
    if fitted.ensemble is not None:
        return f"{text}; each member kept the parameters of its best epoch, in the middle epoch {best + 1}"
    early = ", stopped early" if ran < training.get("epochs", 10) else ""
    return f"{text}; kept the parameters of epoch {best + 1}{early}"
