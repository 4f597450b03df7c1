"""The command line: `jaxbm train`, `evaluate`, `predict`, `info`.

Heavy modules are imported inside the commands: `jaxbm --help` must answer at once, and most of a short run's time
would otherwise be imports it does not need.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from typing import TYPE_CHECKING, Any

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


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit status: 0, 2 after an error of the user's, 130 after Ctrl-C."""
    arguments = _parser().parse_args(argv)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            arguments.command(arguments)
        for warning in caught:
            print(f"warning: {warning.message}", file=sys.stderr)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except (ValueError, TypeError, OSError, FloatingPointError, NotImplementedError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        print(f"error: {error}; the command line needs: pip install 'jaxbm[table]'", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="jaxbm", description="Train MLPs on tables.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    train = commands.add_parser("train", help="train and evaluate a model on a CSV file")
    train.set_defaults(command=_train)
    train.add_argument("data", nargs="?", help="CSV file with a header")
    train.add_argument("--target", help="column to predict")
    train.add_argument(
        "--demo", nargs="?", const="breast_cancer", metavar="NAME", help="a data set that scikit-learn carries"
    )
    train.add_argument("--task", help="binary, multiclass, classification or regression; found from the target")
    train.add_argument("--hidden", type=_widths, default=(64, 32), metavar="64,32", help="hidden widths")
    train.add_argument("--activation", default="relu")
    train.add_argument("--weight-init", default="glorot_uniform")
    train.add_argument("--loss", help="a name from jaxbm.losses; found from the task")
    train.add_argument("--optimizer", choices=("adam", "adamw", "sgd"), default="adam")
    train.add_argument("--learning-rate", type=float, default=1e-3)
    train.add_argument("--epochs", type=int, default=10)
    train.add_argument("--batch-size", type=int, default=32)
    train.add_argument("--patience", type=int, help="stop after so many epochs without improvement")
    train.add_argument("--l2", type=float)
    train.add_argument("--dropout", type=float)
    train.add_argument("--clip-norm", type=float)
    train.add_argument("--noise", type=float, help="augment by Gaussian noise of this deviation")
    train.add_argument("--mask", type=float, help="augment by masking features at this rate")
    train.add_argument("--test-size", type=float, default=0.2)
    train.add_argument("--validation-split", type=float, default=0.2)
    train.add_argument("--seed", type=int, default=0)
    train.add_argument("--out", default="model", metavar="FOLDER", help="where the model goes")
    evaluate = commands.add_parser("evaluate", help="measure a saved model on a CSV file")
    evaluate.set_defaults(command=_evaluate)
    evaluate.add_argument("folder")
    evaluate.add_argument("data")
    predict = commands.add_parser("predict", help="write predictions with probabilities")
    predict.set_defaults(command=_predict)
    predict.add_argument("folder")
    predict.add_argument("data")
    predict.add_argument("--out", default="predictions.csv", metavar="FILE")
    info = commands.add_parser("info", help="devices, versions, and which implementations are on")
    info.set_defaults(command=_info)
    return parser


def _widths(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(width) for width in text.split(",")) if text else ()
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected widths such as 64,32, got {text!r}") from None


def _train(arguments: argparse.Namespace) -> None:
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
    rows = {name: _measure(model, result.params, preparation, loss, *part) for name, part in parts.items()}
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


def _measure(
    model: Any, params: Any, preparation: Preparation, loss: str, x: np.ndarray, y: np.ndarray
) -> dict[str, float]:
    import jaxbm
    from jaxbm.report import TASK_METRICS

    names = TASK_METRICS[preparation.task]
    values = jaxbm.evaluate(model, params, x, y, loss=loss, metrics=names)
    if preparation.task == "regression":  # in the target's own units; R2 has none
        scale = preparation.target_scale
        powers = {"mse": 2, "rmse": 1, "mae": 1, "r2": 0}
        values |= {name: values[name] * scale ** powers[name] for name in names}
    return values


def _load(folder: str) -> Any:
    import jaxbm

    saved = jaxbm.load(folder)
    if saved.preparation is None:
        raise ValueError(f"{folder}: expected a model saved with its preparation of tables, got one without")
    return saved


def _evaluate(arguments: argparse.Namespace) -> None:
    from rich.console import Console

    from jaxbm import report, table

    saved = _load(arguments.folder)
    preparation, frame = saved.preparation, table.read(arguments.data)
    x, y = preparation.features(frame), preparation.labels(frame)
    values = _measure(saved.model, saved.params, preparation, saved.metadata["loss"], x, y)
    Console(highlight=False).print(report.metrics_table({f"{len(frame)} rows": values}))


def _predict(arguments: argparse.Namespace) -> None:
    import numpy as np

    import jaxbm
    from jaxbm import table

    saved = _load(arguments.folder)
    preparation, frame = saved.preparation, table.read(arguments.data)
    logits = jaxbm.predict(saved.model, saved.params, preparation.features(frame)).astype(np.float64)
    out = frame[[]].copy()
    if preparation.task == "regression":
        out[preparation.target] = preparation.unscale(logits[:, 0])
    else:
        if preparation.task == "binary":
            logits = np.concatenate([np.zeros_like(logits), logits], axis=1)
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        out[preparation.target] = [preparation.classes[i] for i in p.argmax(axis=1)]
        for i, name in enumerate(preparation.classes):
            out[f"probability {name}"] = p[:, i]
    out.to_csv(arguments.out, index=False)
    print(f"{len(out)} predictions written to {arguments.out}")


def _info(arguments: argparse.Namespace) -> None:
    del arguments
    import platform
    from importlib.metadata import version

    import jax

    import jaxbm

    print(f"jaxbm {jaxbm.__version__}, Python {platform.python_version()}")
    print(", ".join(f"{name} {version(name)}" for name in ("jax", "jaxlib", "optax", "numpy")))
    print("devices: " + ", ".join(str(device) for device in jax.devices()))
    for name, state in jaxbm.kernels.status().items():
        print(f"{name}: {state if state.startswith('on') else 'off, ' + state}")


if __name__ == "__main__":
    sys.exit(main())
