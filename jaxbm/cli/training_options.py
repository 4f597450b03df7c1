"""The options of a training run on the command line: defaults and help come from their one description."""

from __future__ import annotations

import argparse
from collections.abc import Collection
from typing import Any

from jaxbm.cli.shared import refuse
from jaxbm.core.precision import PRECISIONS
from jaxbm.run.options import NUMBERS, OPTIONS

NAMED: dict[str, Any] = {"implementation": None, "precision": PRECISIONS}
"""Options that are names, and which there are; None for whatever the registry knows."""
TAKEN = ("batch_size", *NUMBERS, *NAMED)
"""What every training command takes; a number that `fit` learns is among them."""


def is_whole(name: str) -> bool:
    """Whether an option's number is a whole one."""
    return OPTIONS[name].whole or isinstance(OPTIONS[name].default, int)


def add(parser: argparse._ActionsContainer, *names: str, **defaults: Any) -> None:
    """Add options by name, with their own defaults or these."""
    for name in names:
        option, flag = OPTIONS[name], f"--{name.replace('_', '-')}"
        default = defaults.get(name, option.default)
        if isinstance(default, bool):
            parser.add_argument(flag, action="store_true", default=default, help=option.brief)
            continue
        kind: Any = str if name in NAMED else int if is_whole(name) else float
        shown = str(default)
        if default is None:
            shown = "NAME" if name in NAMED else "N" if is_whole(name) else "NUMBER"
        told = option.brief
        if NAMED.get(name):
            told = f"{told}: {', '.join(NAMED[name])}"
        parser.add_argument(flag, type=kind, default=default, metavar=shown, choices=NAMED.get(name), help=told)


def check(arguments: argparse.Namespace, hidden: Collection[Collection[int]], **training: Any) -> None:
    """ValueError naming an option that was given and has nothing to act on.

    Args:
      arguments: of a command.
      hidden: widths of hidden layers, of each network that may be trained.
      **training: the options of the run that others depend on.
    """
    if not any(hidden):
        refuse(arguments, "without hidden layers", "activation", "dropout")
    for name, option in OPTIONS.items():
        if option.beside is not None and training.get(option.beside) is None:
            refuse(arguments, f"without --{option.beside.replace('_', '-')}", name)


def given(arguments: argparse.Namespace) -> dict[str, Any]:
    """The options of a training run among a command's arguments, as `fit` takes them."""
    return {name: getattr(arguments, name) for name in OPTIONS if name in TAKEN and hasattr(arguments, name)}
