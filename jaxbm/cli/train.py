"""`jaxbm train`: from a CSV file to a saved model and a table of metrics."""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from jaxbm.cli import training_options
from jaxbm.cli.data_options import add_data_options, prepared, tell
from jaxbm.cli.options import MembersLine, loss_of, widths
from jaxbm.cli.reporting import Clock, add_report_options, prepare_report, write_report
from jaxbm.cli.shared import check_writable, measure_outputs, resumable, told_interval
from jaxbm.optimizers import OPTIMIZERS

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable, Iterator

    import numpy as np

    from jaxbm.table import Preparation
    from jaxbm.training.fit import FitResult

COMPILE_EVENTS = (
    "/jax/core/compile/jaxpr_trace_duration",
    "/jax/core/compile/jaxpr_to_mlir_module_duration",
    "/jax/core/compile/backend_compile_duration",
)


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The command and its options."""
    parser = commands.add_parser(
        "train",
        help="train and evaluate a model on a CSV file",
        description="Train an MLP on a CSV file, measure it on rows it did not see, and save it. With --members, a "
        "run that was stopped or killed goes on where it was when started again.",
    )
    parser.set_defaults(run=run)
    data = add_data_options(parser)
    training_options.add(data, "validation_split", validation_split=0.2)
    data.add_argument("--out", default="model", metavar="FOLDER", help="where the model goes [model]")
    model = parser.add_argument_group("model")
    model.add_argument("--hidden", type=widths, default=(64, 32), metavar="64,32", help="widths of hidden layers")
    model.add_argument("--activation", default="relu", metavar="relu", help="a name from jaxbm.models.activations")
    model.add_argument("--weight-init", default="glorot_uniform", metavar="NAME", help="initialiser [glorot_uniform]")
    training = parser.add_argument_group("training")
    training_options.add(training, *training_options.TAKEN, "bootstrap")
    training.add_argument("--optimizer", choices=tuple(OPTIMIZERS), default="adam", help="[adam]")
    training.add_argument("--learning-rate", type=float, default=1e-3, metavar="0.001")
    training.add_argument("--loss", metavar="NAME", help="a name from jaxbm.losses [found from the task]")
    training.add_argument("--noise", type=float, metavar="STD", help="augment by Gaussian noise of this deviation")
    training.add_argument("--mask", type=float, metavar="RATE", help="augment by masking features at this rate")
    training.add_argument("--members", type=int, default=1, metavar="N", help="an ensemble of so many networks [1]")
    add_report_options(parser)


def run(arguments: argparse.Namespace) -> None:
    """Read, split, prepare, train, measure, save; each told to the user."""
    from jaxbm.report.fitting import console as make_console
    from jaxbm.saved import many_models, one_model

    # An ensemble is stored in another way than one model.
    (many_models if arguments.members > 1 else one_model).check_folder(arguments.out)  # before the work, not after it
    check_writable(arguments.out)
    clock = Clock()
    preparation, rows = prepared(arguments)
    console = make_console()
    tell(console, preparation)
    arrays = {name: (preparation.features(part), preparation.labels(part)) for name, part in rows.items()}
    clock.lap("read and prepare")
    prepare_report(arguments)
    with resumable(arguments.out) if arguments.members > 1 else nullcontext() as unfinished:
        model, result, why = _fit_and_save(arguments, preparation, arrays, unfinished, console, clock)
    console.print(f"\nmodel saved in {arguments.out}", markup=False, soft_wrap=True)
    options = {"console": console, "model": model, "implementation": why}
    write_report(arguments, result, arrays, preparation, clock, **options)


def _fit_and_save(
    arguments: argparse.Namespace,
    preparation: Preparation,
    arrays: dict[str, tuple[np.ndarray, np.ndarray]],
    unfinished: pathlib.Path | None,
    console: Any,
    clock: Clock,
) -> tuple[Any, Any, str]:
    import numpy as np

    import jaxbm
    from jaxbm.report import terminal

    model, loss, result, seconds = _fit(arguments, preparation, arrays, unfinished)
    clock.seconds |= {"compile": seconds[0], "train": seconds[1]}
    steps = _steps(arguments, result, len(arrays["training"][0]))
    clock.seconds["steps a second"] = steps / max(seconds[1], 1e-9)
    console.print(f"\n[bold]Model[/bold]\n{model.summary()}")
    if arguments.members > 1:
        console.print(f"{arguments.members} members" + ", each on its own draw of rows" * arguments.bootstrap)
    outputs = _outputs(arguments, model, result, preparation.task)
    measured = {
        name: measure_outputs(model, outputs(x), preparation, loss, y) for name, (x, y) in arrays.items() if len(x)
    }
    console.print(f"\n[bold]Training[/bold]\n{_told(result, arguments, seconds)}\n")
    console.print(terminal.metrics_table(measured))
    x, y = arrays["test"]
    console.print(told_interval(outputs(x), preparation, y, "test"), markup=False, soft_wrap=True)
    ran = int(np.max(result.epochs_run))
    spent = {"compile": seconds[0], "train": seconds[1]}
    arguments.outcome |= {"task": preparation.task, "model": model.describe(), "loss": loss, "metrics": measured}
    arguments.outcome |= {"epochs_run": ran, "members": arguments.members, "seconds": spent, "out": arguments.out}
    metadata = {"loss": loss, "metrics": measured, "epochs_run": ran, "seed": arguments.seed}
    if arguments.members > 1:
        jaxbm.save_members(arguments.out, jaxbm.Ensemble.of(result), preparation=preparation, metadata=metadata)
    else:
        jaxbm.save(arguments.out, model, result.params, preparation=preparation, metadata=metadata)
    why = jaxbm.kernels.explain(model, loss=loss, implementation=arguments.implementation)
    return model, result, f"{why.implementation}, since {why.reason}"


def _steps(arguments: argparse.Namespace, result: Any, rows: int) -> int:
    """Updates of one network that were made in all."""
    import numpy as np

    return int(np.sum(result.epochs_run)) * -(-rows // arguments.batch_size)


def _fit(
    arguments: argparse.Namespace,
    preparation: Preparation,
    arrays: dict[str, tuple[np.ndarray, np.ndarray]],
    folder: pathlib.Path | None,
) -> tuple[Any, str, Any, tuple[float, float]]:
    import jax

    import jaxbm

    (x, y), validation = arrays["training"], arrays["validation"]
    model = jaxbm.MLP(
        (x.shape[1], *arguments.hidden, preparation.n_outputs),
        activation=arguments.activation,
        weight_init=arguments.weight_init,
    )
    loss = loss_of(preparation.task, arguments.loss)
    began = time.perf_counter()
    with _compilation() as intervals:
        result = _trained(
            arguments,
            model,
            x,
            y,
            folder,
            loss=loss,
            validation_data=validation if len(validation[0]) else None,
            optimizer=jaxbm.optimizers.optimizer(arguments.optimizer)(arguments.learning_rate),
            bootstrap=arguments.bootstrap,
            progress=sys.stderr.isatty(),
            **training_options.given(arguments),
        )
        jax.block_until_ready(result)
    seconds, compiling = time.perf_counter() - began, _total(intervals)
    return model, loss, result, (compiling, seconds - compiling)


def _trained(
    arguments: argparse.Namespace,
    model: Any,
    x: np.ndarray,
    y: np.ndarray,
    folder: pathlib.Path | None,
    **options: Any,
) -> Any:
    import jax

    import jaxbm

    key, augment = jax.random.key(arguments.seed), _augmentation(arguments)
    if arguments.members < 1:
        raise ValueError(f"--members: expected at least 1, got {arguments.members}")
    if arguments.members == 1:
        return jaxbm.fit(key, model, x, y, augment=augment, **options)
    if augment is not None:
        raise ValueError("--members: expected 1 with --noise or --mask, got more")
    with MembersLine() as line:
        options |= {"progress": line.progress, "folder": folder}
        return jaxbm.fit_members(key, model, x, y, members=arguments.members, **options)


def _outputs(arguments: argparse.Namespace, model: Any, result: Any, task: str) -> Callable[[np.ndarray], np.ndarray]:
    import jaxbm
    from jaxbm.saved.outputs import ensemble_outputs

    if arguments.members == 1:
        return lambda x: jaxbm.predict(model, result.params, x)
    ensemble = jaxbm.Ensemble.of(result)
    return lambda x: ensemble_outputs(ensemble, task, x)


def _augmentation(arguments: argparse.Namespace) -> Any:
    from jaxbm import augment

    steps: list[Any] = []
    if arguments.noise is not None:
        steps.append(augment.GaussianNoise(arguments.noise))
    if arguments.mask is not None:
        steps.append(augment.FeatureMasking(arguments.mask))
    return augment.Compose(tuple(steps)) if steps else None


@contextmanager
def _compilation() -> Iterator[list[tuple[float, float]]]:
    """Collects when JAX was compiling (start, end): tracing, lowering and XLA's own work."""
    import jax

    intervals: list[tuple[float, float]] = []

    def listen(event: str, duration_secs: float, **_: Any) -> None:
        if event in COMPILE_EVENTS:
            now = time.perf_counter()
            intervals.append((now - duration_secs, now))

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        yield intervals
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)


def _total(intervals: list[tuple[float, float]]) -> float:
    """Length of the union: functions are traced within functions, and must not count twice."""
    total, reached = 0.0, float("-inf")
    for start, end in sorted(intervals):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


def _told(result: FitResult, arguments: argparse.Namespace, seconds: tuple[float, float]) -> str:
    import numpy as np

    ran, best = int(np.max(result.epochs_run)), int(np.median(result.best_epoch))
    text = f"{ran} epochs in {seconds[1]:.3f} s, after {seconds[0]:.2f} s of compilation"
    if arguments.patience is None:
        return text
    if arguments.members > 1:
        return f"{text}; each member kept the parameters of its best epoch, in the middle epoch {best + 1}"
    return f"{text}; kept the parameters of epoch {best + 1}" + (", stopped early" if ran < arguments.epochs else "")
