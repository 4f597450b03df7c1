"""The report that a training command leaves beside its model."""

from __future__ import annotations

import argparse
import pathlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

from jaxbm.cli.shared import check_file, refuse
from jaxbm.core.extras import needs


def add_report_options(parser: argparse.ArgumentParser) -> None:
    """Whether there is a report, and where."""
    report = parser.add_argument_group("report")
    report.add_argument("--report", metavar="PATH", help="where the HTML report goes [report.html beside the model]")
    report.add_argument("--no-report", action="store_true", help="write none")


class Clock:
    """How long each part took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._since = time.perf_counter()

    def lap(self, name: str) -> None:
        """What was done since the last call is `name`."""
        now = time.perf_counter()
        self.seconds[name] = self.seconds.get(name, 0.0) + now - self._since
        self._since = now


def prepare_report(arguments: argparse.Namespace) -> None:
    """Let what draws be loaded beside the training, where it will be needed; ValueError where it can't be written."""
    if arguments.no_report:
        refuse(arguments, "beside --no-report", "report")
    else:
        needs("the report", ", or --no-report").require("matplotlib", "sklearn")
        if arguments.report is not None:
            check_file(arguments.report, "--report")
        from jaxbm.report.drawing import warm_up

        warm_up()


def which(model: Any, loss: str, **asked: Any) -> str:
    """The implementation that trains the model with these options, why it, and in what it multiplies."""
    from jaxbm.kernels.dispatch import chosen

    why = chosen(model, loss=loss, **asked)
    return f"{why.implementation}, since {why.reason}; products in {why.precision}"


def write_report(
    arguments: argparse.Namespace,
    result: Any,
    data: Mapping[str, Any],
    preparation: Any,
    clock: Clock,
    *,
    console: Any,
    outputs: Mapping[str, Any] | None = None,
    model: Any = None,
    implementation: str | None = None,
    caveats: Sequence[str] = (),
) -> None:
    """Write it, and tell where it is; nothing with --no-report."""
    if arguments.no_report:
        return
    from jaxbm import report
    from jaxbm.report.fitting import say

    path = pathlib.Path(arguments.report or pathlib.Path(arguments.out) / "report.html")
    name = pathlib.Path(arguments.data).name if arguments.data else arguments.demo
    title = f"{name}: predicting {preparation.target}"
    report.html(
        path, result, data=data, outputs=outputs, preparation=preparation, model=model, title=title,
        timings=clock.seconds, implementation=implementation, command=["jaxbm", *arguments.argv],
        caveats=caveats,
    )  # fmt: skip
    arguments.outcome["report"] = str(path)
    say(console, f"report in {path}")
