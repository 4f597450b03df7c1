"""Completion for shells, by shtab where that is installed."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from typing import Any

FILES = ("data", "out", "report", "types", "words")
"""Arguments that are files, by their places in what was parsed."""
WITH_VALUE = re.compile(r'^(\s*"\*?(?:\([^)]*\))?--[\w-]+|\s*(?:"[^"]*")?\{[^}"]*--[\w-]+)(\}"|)(\[.*\]:)', re.M)
"""A line of zsh's with an option that takes a value: its name, and what follows."""


def offer(parser: argparse.ArgumentParser, commands: Mapping[str, argparse.ArgumentParser]) -> None:
    """Give the parser `--print-completion`, which says what is missing where shtab isn't installed."""
    try:
        import shtab
    except ModuleNotFoundError:
        told = "needs: pip install 'jaxbm[completion]'"
        parser.add_argument("--print-completion", action=_Absent, nargs="?", metavar="SHELL", help=told)
        return
    shtab.add_argument_to(parser, ["--print-completion"])
    action = parser._option_string_actions["--print-completion"]
    action.__class__ = type("Print", (_Print, type(action)), {"commands": commands})
    action.help = f"print completion for a shell: {', '.join(action.choices or ())}"
    action.metavar = "SHELL"  # a list of them all would not fit a narrow terminal
    for command in commands.values():
        for action in command._actions:
            if action.dest in FILES:
                action.complete = shtab.FILE  # type: ignore[attr-defined]
            elif action.dest == "folder":
                action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]


def completion(parser: argparse.ArgumentParser, commands: Mapping[str, argparse.ArgumentParser], shell: str) -> str:
    """A shell's completion, which knows the names of losses, metrics and the like; parsers needn't import them."""
    import shtab

    names = _names()
    for command in commands.values():
        command.description = None  # the list of commands says what each is for in a line
        for action in command._actions:
            if action.dest in names:
                action.choices = sorted(names[action.dest])
    text = str(shtab.complete(parser, shell))
    return WITH_VALUE.sub(r"\1=\2\3", text) if shell == "zsh" else text  # --loss=mse beside --loss mse


def _names() -> dict[str, Any]:
    from jaxbm.losses import LOSSES
    from jaxbm.metrics import METRICS
    from jaxbm.models.activations import ACTIVATIONS
    from jaxbm.models.initializers import INITIALIZERS
    from jaxbm.table.demos import DEMOS

    return {
        "loss": LOSSES,
        "metric": METRICS,
        "activation": ACTIVATIONS,
        "weight_init": INITIALIZERS,
        "demo": DEMOS,
    }


class _Print(argparse.Action):
    commands: Mapping[str, argparse.ArgumentParser]

    def __call__(self, parser: argparse.ArgumentParser, namespace: Any, values: Any, *_: Any) -> None:
        print(completion(parser, self.commands, values))
        parser.exit(0)


class _Absent(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object, **__: object) -> None:
        parser.error("--print-completion needs: pip install 'jaxbm[completion]'")
