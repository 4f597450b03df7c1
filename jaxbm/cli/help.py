"""What `--help` shows beside the options: usage and examples."""

from __future__ import annotations

import argparse
import difflib
import re
import textwrap
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NoReturn

from jaxbm.cli.options import complain

COMMANDS = {
    "train": "train and evaluate a model on a CSV file",
    "sweep": "try many hyper-parameters on a CSV file",
    "groups": "train a model for each group of rows of a CSV file",
    "evaluate": "measure a saved model on a CSV file",
    "explain": "tell which columns a saved model goes by, and how",
    "predict": "write predictions with probabilities",
    "info": "what a table's columns are taken for; devices, versions, and which implementations are on",
    "bench": "measure this machine, jaxbm and its peers; compare two results",
}
"""Each command with what it is for, in the order of the list."""
CALLED = {
    **dict.fromkeys(("fit", "learn", "run", "classify", "regress"), "train"),
    **dict.fromkeys(("test", "eval", "score", "validate", "metrics"), "evaluate"),
    **dict.fromkeys(("tune", "search", "hpo", "optimize", "gridsearch"), "sweep"),
    **dict.fromkeys(("importance", "interpret", "understand", "pdp"), "explain"),
    **dict.fromkeys(("apply", "infer", "inference", "serve", "transform"), "predict"),
    **dict.fromkeys(("describe", "show", "inspect", "status", "columns", "version"), "info"),
    **dict.fromkeys(("group", "segments"), "groups"),
    **dict.fromkeys(("help", "man"), "jaxbm --help"),
}
"""What a command may be called elsewhere."""
EXAMPLES = {
    "train": """
  jaxbm train --demo                                   a data set that scikit-learn carries
  jaxbm train data.csv --target label --out model      sixteen networks on eight folds, stopped early
  jaxbm train data.csv --target label --preset classic   one network, Adam, ten epochs
  jaxbm train data.csv --target label --preset best --time 60
  jaxbm train data.csv --target price --hidden 128,64 --members 32
  jaxbm train data.csv --target label --test-size 0    every row is trained on, and judged out of fold
  jaxbm train data.csv --target label --epsilon 3 --delta 1e-5
  jaxbm train data.csv --target label --json > result.json""",
    "sweep": """
  jaxbm sweep data.csv --target label --learning-rate log:1e-4:1e-1 --hidden 32 64,32
  jaxbm sweep data.csv --target label --trials 200 --folds 5 --seeds 4 --halving 3""",
    "groups": """
  jaxbm groups sales.csv --group shop --target sales --pooled""",
    "evaluate": """
  jaxbm evaluate model new.csv""",
    "predict": """
  jaxbm predict model new.csv --out predictions.csv""",
    "explain": """
  jaxbm explain model test.csv
  jaxbm explain model test.csv --columns age city --metric roc_auc --repeats 30""",
    "info": """
  jaxbm info                                           devices, versions, implementations
  jaxbm info data.csv --target label                   what each column is taken for""",
    "bench": """
  jaxbm bench                                          about five minutes
  jaxbm bench compare a.jsonl b.jsonl""",
}


class WrongUsage(SystemExit):
    """Words that are no command of ours, told on standard error already; its text is what was told."""

    def __init__(self, told: str) -> None:
        super().__init__(2)
        self.told = told

    def __str__(self) -> str:
        return self.told


class Parser(argparse.ArgumentParser):
    """Tells an error in a line, as every other error is told, instead of below a page of usage; `given` of what it
    returns says which options were written, also those that say what would hold without them."""

    elsewhere: ClassVar[Callable[[str], str]] = staticmethod(lambda flag: "")
    """The end of a message about an option that no command at hand has."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._given: set[str] = set()

    def _get_values(self, action: argparse.Action, arg_strings: list[str]) -> Any:
        if action.option_strings:  # argparse asks for those alone that are there
            self._given.add(action.dest)
        return super()._get_values(action, arg_strings)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse does; what a command does not know is the command's own error, with what it may have meant."""
        self._given.clear()
        known, unknown = super().parse_known_args(args, namespace)
        known.given = frozenset(self._given) | getattr(known, "given", frozenset())
        if unknown:
            hint = "; --json comes after the command" if "--json" in unknown else self._hint(unknown[0].split("=")[0])
            self.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
        return known, unknown

    def _hint(self, word: str) -> str:
        """The end of a message about a word that this command doesn't know."""
        from jaxbm.core.elsewhere import NAMES, plain  # which nobody needs who has the words right

        flags = [flag for action in self._actions for flag in action.option_strings]
        if not word.startswith("-"):
            return "; the column to predict is named by --target" if "--target" in flags else ""
        if plain(word) in ("data", "csv", "file", "input", "train"):
            return "; the file stands by itself, without an option before it"
        near = [flag for name in NAMES.get(plain(word), ()) if (flag := f"--{name.replace('_', '-')}") in flags]
        near = near[:1] or difflib.get_close_matches(word, flags, n=1, cutoff=0.75)
        if re.fullmatch(r"-\w", word):
            near = [flag for flag in flags if flag.startswith(f"-{word}")]
        return f"; did you mean {' or '.join(near)}?" if near else Parser.elsewhere(word)

    def error(self, message: str) -> NoReturn:
        """Tell it, and leave with exit status 2."""
        if (wrong := re.match(r"argument COMMAND: invalid choice: '(.*?)'", message)) is not None:
            near = [CALLED[wrong[1]]] if wrong[1] in CALLED else difflib.get_close_matches(wrong[1], COMMANDS, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            message = f"unknown command {wrong[1]!r}{hint} (known: {', '.join(COMMANDS)})"
        told = f"{message}; see {self.prog} --help"
        complain(f"error: {told}")
        raise WrongUsage(told)


class Help(argparse.HelpFormatter):
    """Wraps what is text; examples keep their lines where these fit. What options do begins further left where the
    terminal is narrow."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._max_help_position = min(self._max_help_position, max(self._width // 4, 6))

    def _format_usage(self, usage: str | None, *others: Any) -> str:
        text = super()._format_usage(usage, *others)
        return text if usage is None else textwrap.fill(text.strip(), self._width, subsequent_indent="  ") + "\n\n"

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if not text.startswith("examples:"):
            return super()._fill_text(text, width, indent)
        if max(map(len, lines := text.split("\n"))) <= width:
            return text
        return "\n".join(part for line in lines for part in _fitted(line, width))


def _fitted(line: str, width: int) -> list[str]:
    """An example in lines of so many letters: what it does below the command, which goes on after a backslash."""
    if not line.startswith(" "):
        return [line]
    command, _, told = line.strip().partition("   ")
    whole = re.sub(r" (?!-)", "\N{NO-BREAK SPACE}", command)  # an option stays with its values
    lines = textwrap.wrap(
        whole, width - 2, initial_indent="  ", subsequent_indent="    ", break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip
    lines = [part.replace("\N{NO-BREAK SPACE}", " ") for part in lines]
    return [
        *(f"{part} \\" for part in lines[:-1]),
        lines[-1],
        *textwrap.wrap(told.strip(), width, initial_indent="      ", subsequent_indent="      "),
    ]


def dress(parser: argparse.ArgumentParser, commands: Mapping[str, argparse.ArgumentParser]) -> None:
    """Give each command its usage, its examples and `--json`."""
    parser.formatter_class, parser.usage = Help, "%(prog)s [options] COMMAND ..."
    for name, command in commands.items():
        command.formatter_class, command.usage = Help, _usage(command)
        if name in EXAMPLES:
            command.epilog = f"examples:{EXAMPLES[name]}"
        told = "print the result as one JSON object, everything else to stderr"
        command.add_argument("--json", action="store_true", help=told)


def _usage(command: argparse.ArgumentParser) -> str:
    """What has to be said; a list of all options, which follow in any case, would fill the screen."""
    parts = ["%(prog)s [options]"]
    for action in command._actions:
        shown = action.metavar or action.dest.upper()
        if action.option_strings and action.required:
            parts.append(f"{action.option_strings[0]} {shown}")
        elif not action.option_strings:
            told = str(action.metavar or action.dest)
            parts.append(f"[{told}]" if action.nargs in ("?", "*") else told)
    return " ".join(parts)
