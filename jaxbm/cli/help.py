"""What `--help` shows beside the options: examples, and completion for shells."""

from __future__ import annotations

import argparse

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
  jaxbm bench compare before/results.json after/results.json""",
}


class Help(argparse.HelpFormatter):
    """Wraps what is text, and leaves examples as they stand."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return text if text.startswith("examples:") else super()._fill_text(text, width, indent)


def complete(parser: argparse.ArgumentParser, commands: dict[str, argparse.ArgumentParser]) -> None:
    """Give each command its examples, `--json`, and the parser `--print-completion` where shtab is installed."""
    for name, command in commands.items():
        command.formatter_class = Help
        if name in EXAMPLES:
            command.epilog = f"examples:{EXAMPLES[name]}"
        told = "print the result as one JSON object, everything else to stderr"
        command.add_argument("--json", action="store_true", help=told)
    try:
        import shtab
    except ModuleNotFoundError:
        told = "needs: pip install 'jaxbm[completion]'"
        parser.add_argument("--print-completion", action=_Absent, nargs="?", metavar="SHELL", help=told)
        return
    shtab.add_argument_to(parser, ["--print-completion"], help="print completion for bash, zsh or tcsh")
    for command in commands.values():
        for action in command._actions:
            if action.dest in ("data", "out", "report", "types"):
                action.complete = shtab.FILE  # type: ignore[attr-defined]
            elif action.dest == "folder":
                action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]


class _Absent(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object, **__: object) -> None:
        parser.error("--print-completion needs: pip install 'jaxbm[completion]'")
