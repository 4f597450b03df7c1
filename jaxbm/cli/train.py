"""`jaxbm train`: from a CSV file to a saved model and a table of metrics."""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING, Any

from jaxbm.cli.shared import measure

if TYPE_CHECKING:
    import numpy as np

    from jaxbm.table import Preparation

COMPILE_EVENTS = (
    "/jax/core/compile/jaxpr_to_mlir_module_duration",
    "/jax/core/compile/backend_compile_duration",
)
LOSS_OF = {
    "binary": "sigmoid_binary_cross_entropy",
    "multiclass": "softmax_cross_entropy_with_integer_labels",
    "regression": "squared_error",
}


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The command and its options."""
    parser = commands.add_parser("train", help="train and evaluate a model on a CSV file")
    parser.set_defaults(run=run)
    parser.add_argument("data", nargs="?", help="CSV file with a header")
    parser.add_argument("--target", help="column to predict")
    parser.add_argument(
        "--demo", nargs="?", const="breast_cancer", metavar="NAME", help="a data set that scikit-learn carries"
    )
    parser.add_argument("--task", help="binary, multiclass, classification or regression; found from the target")
    parser.add_argument("--hidden", type=_widths, default=(64, 32), metavar="64,32", help="hidden widths")
    parser.add_argument("--activation", default="relu")
    parser.add_argument("--weight-init", default="glorot_uniform")
    parser.add_argument("--loss", help="a name from jaxbm.losses; found from the task")
    parser.add_argument("--optimizer", choices=("adam", "adamw", "sgd"), default="adam")
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--patience", type=int, help="stop after so many epochs without improvement")
    parser.add_argument("--l2", type=float)
    parser.add_argument("--dropout", type=float)
    parser.add_argument("--clip-norm", type=float)
    parser.add_argument("--noise", type=float, help="augment by Gaussian noise of this deviation")
    parser.add_argument("--mask", type=float, help="augment by masking features at this rate")
    parser.add_argument("--test-size", type=float, default=0.2)
    parser.add_argument("--validation-split", type=float, default=0.2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default="model", metavar="FOLDER", help="where the model goes")


def run(arguments: argparse.Namespace) -> None:
    """Read, split, prepare, train, measure, save; each told to the user."""
    from rich.console import Console

    from jaxbm import report, table

    if (arguments.data is None) == (arguments.demo is None):
        raise ValueError("data: expected either a CSV file or --demo")
    if arguments.demo is not None:
        frame, target = table.demo(arguments.demo)
    else:
        if arguments.target is None:
            raise ValueError("--target: expected the column to predict, got none")
        frame, target = table.read(arguments.data), arguments.target
    train, test = table.split(frame, target, task=arguments.task, test_size=arguments.test_size, seed=arguments.seed)
    fit_rows = int(len(train) * (1 - arguments.validation_split)) or None
    preparation = table.prepare(train, target, task=arguments.task, fit_rows=fit_rows)
    console = Console(highlight=False)
    console.print("[bold]Data[/bold]")
    console.print(preparation.summary(), markup=False)
    sets = {"train": train, "test": test}
    arrays = {name: (preparation.features(rows), preparation.labels(rows)) for name, rows in sets.items()}
    model, loss, result, seconds = _fit(arguments, preparation, *arrays["train"])
    console.print(f"\n[bold]Model[/bold]\n{model.summary()}")

    x, y = arrays.pop("train")
    parts = {"train": (x[:fit_rows], y[:fit_rows])}
    if fit_rows is not None and fit_rows < len(x):
        parts["validation"] = (x[fit_rows:], y[fit_rows:])
    parts["test"] = arrays["test"]
    rows = {name: measure(model, result.params, preparation, loss, *part) for name, part in parts.items()}
    ran = int(result.epochs_run)
    console.print("\n[bold]Training[/bold]")
    console.print(f"{ran} epochs in {seconds[1]:.3f} s, after {seconds[0]:.2f} s of compilation\n")
    console.print(report.metrics_table(rows))

    from jaxbm import save

    metadata = {"loss": loss, "metrics": rows, "epochs_run": ran, "seed": arguments.seed}
    save(arguments.out, model, result.params, preparation=preparation, metadata=metadata)
    console.print(f"\nmodel saved in [bold]{arguments.out}[/bold]")


def _fit(arguments: argparse.Namespace, preparation: Preparation, x: np.ndarray, y: np.ndarray) -> tuple[Any, ...]:
    import jax

    import jaxbm
    from jaxbm import augment

    model = jaxbm.MLP(
        (x.shape[1], *arguments.hidden, preparation.n_outputs),
        activation=arguments.activation,
        weight_init=arguments.weight_init,
    )
    steps: list[Any] = []
    if arguments.noise is not None:
        steps.append(augment.GaussianNoise(arguments.noise))
    if arguments.mask is not None:
        steps.append(augment.FeatureMasking(arguments.mask))
    loss = arguments.loss or LOSS_OF[preparation.task]
    options: dict[str, Any] = {
        "loss": loss,
        "progress": _show_progress if sys.stderr.isatty() else False,
        "optimizer": getattr(jaxbm, arguments.optimizer)(arguments.learning_rate),
        "epochs": arguments.epochs,
        "batch_size": arguments.batch_size,
        "validation_split": arguments.validation_split,
        "patience": arguments.patience,
        "l2": arguments.l2,
        "clip_norm": arguments.clip_norm,
        "dropout": arguments.dropout,
        "augment": augment.Compose(tuple(steps)) if steps else None,
    }
    compile_seconds: list[float] = []

    def listen(event: str, duration_secs: float, **_: Any) -> None:
        if event in COMPILE_EVENTS:
            compile_seconds.append(duration_secs)

    jax.monitoring.register_event_duration_secs_listener(listen)
    began = time.perf_counter()
    result = jaxbm.fit(jax.random.key(arguments.seed), model, x, y, **options)
    jax.block_until_ready(result)
    if options["progress"]:
        print(file=sys.stderr)
    seconds = time.perf_counter() - began
    jax.monitoring.unregister_event_duration_listener(listen)
    return model, loss, result, (sum(compile_seconds), seconds - sum(compile_seconds))


def _show_progress(done: int, epochs: int, history: dict[str, np.ndarray]) -> None:
    latest = "  ".join(f"{name} {values[done - 1]:.4f}" for name, values in history.items())
    print(f"\repoch {done}/{epochs}  {latest}", end="", file=sys.stderr, flush=True)


def _widths(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(width) for width in text.split(",")) if text else ()
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected widths such as 64,32, got {text!r}") from None
