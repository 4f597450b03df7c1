"""The command line: `jaxbm train`, `sweep`, `groups`, `evaluate`, `explain`, `predict`, `info`, `bench`.

Each has a file, whose module has `DESCRIPTION`, `add_options(parser)` and `run(arguments)`; what `run` leaves in
`arguments.outcome` is the command's result for `--json`. A command's module is imported when it is asked for, and
heavy modules inside its `run`: `jaxbm --help` must answer at once, and most of a short run's time would otherwise be
imports it does not need.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import traceback
import warnings
from collections.abc import Collection
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

from jaxbm.cli.completion import offer
from jaxbm.cli.help import COMMANDS, Parser, WrongUsage, dress
from jaxbm.cli.options import complain
from jaxbm.cli.outcome import as_json
from jaxbm.core.lazy import attached

if not TYPE_CHECKING:  # its modules, imported when asked for
    __getattr__, __dir__ = attached(__name__)


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit status: 0, 2 after an error of the user's, 130 after Ctrl-C.

    With `--json` one object is printed in any case, an error of ours (exit status 1) included.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal without a letter shows its code, and nothing breaks
            stream.reconfigure(errors="backslashreplace")
    argv = sys.argv[1:] if argv is None else list(argv)
    parser, Parser.elsewhere = _parser(_asked(argv)), staticmethod(_elsewhere)
    try:
        arguments = parser.parse_args(argv)
    except WrongUsage as wrong:
        if any(map(_asks_for_json, argv)):
            print(as_json({"error": str(wrong)}))
        raise
    if not hasattr(arguments, "run"):
        parser.print_help()
        return 2
    arguments.argv, arguments.outcome = argv, {}
    if not arguments.json:
        return _run(arguments)
    # What is meant for people goes where it does not disturb the one object.
    with redirect_stdout(sys.stderr):
        try:
            status = _run(arguments)
        except Exception as error:
            traceback.print_exc()
            arguments.outcome["error"] = f"{type(error).__name__}: {error}"
            status = 1
    print(as_json(arguments.outcome))
    return status


def _asks_for_json(word: str) -> bool:
    return len(word) > 2 and "--json".startswith(word)  # options may be abbreviated


def _run(arguments: argparse.Namespace) -> int:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always", UserWarning)
            warnings.showwarning = _show_warning
            arguments.run(arguments)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        arguments.outcome["error"] = "interrupted"
        return 130
    except (ValueError, TypeError, OSError, FloatingPointError, NotImplementedError) as error:
        return _failed(arguments, _of_a_file(error) or str(error))
    except ModuleNotFoundError as error:
        hint = "" if "pip install" in str(error) else "; the command line needs: pip install 'jaxbm[table]'"
        return _failed(arguments, f"{error}{hint}")
    return 0


def _failed(arguments: argparse.Namespace, told: str) -> int:
    complain(f"error: {told}")
    arguments.outcome["error"] = told
    return 2


def _of_a_file(error: Exception) -> str | None:
    """What the system says of a file, without the number that it has for it."""
    if not isinstance(error, OSError) or error.filename is None or error.strerror is None:
        return None
    return f"{error.filename}: {error.strerror[0].lower()}{error.strerror[1:]}"


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    complain(f"warning: {message}")


def _elsewhere(flag: str) -> str:
    """The end of a message about an option that other commands have; empty where none has it."""
    (commands,) = (a.choices for a in _parser()._actions if isinstance(a, argparse._SubParsersAction))
    names = [name for name, command in commands.items() if flag in command._option_string_actions]
    return f"; it is an option of {' and '.join(f'jaxbm {name}' for name in names)}" if names else ""


def _asked(argv: list[str]) -> tuple[str, ...]:
    """The commands whose options have to be known; a shell's completion has to know them all."""
    if any(word.startswith("--p") for word in argv[:1]):  # options may be abbreviated
        return tuple(COMMANDS)
    return tuple(word for word in argv if word in COMMANDS)


def _parser(asked: Collection[str] = tuple(COMMANDS)) -> argparse.ArgumentParser:
    """The parser, of which the commands that are `asked` for have their options."""
    import jaxbm

    parser = Parser(
        prog="jaxbm",
        description="Train MLPs on tables, from the shell.",
        epilog="jaxbm COMMAND --help tells the rest.",
    )
    parser.add_argument("--version", action="version", version=f"jaxbm {jaxbm.__version__}")
    commands = parser.add_subparsers(metavar="COMMAND")
    for name, told in COMMANDS.items():
        command = commands.add_parser(name, help=told)
        if name in asked:
            module = importlib.import_module(f"jaxbm.cli.{name}")
            command.description = module.DESCRIPTION
            command.set_defaults(run=module.run)
            module.add_options(command)
    dress(parser, commands.choices)
    offer(parser, commands.choices)
    return parser
