"""Differential privacy on the command line: its options, and what is told of it."""

from __future__ import annotations

import argparse
from typing import Any


def add_privacy_options(parser: argparse.ArgumentParser) -> None:
    """How much the model may tell of any one row."""
    group = parser.add_argument_group("privacy", "differentially private training (DP-SGD); needs jaxbm[privacy]")
    group.add_argument("--epsilon", type=float, metavar="3", help="stay below this; finds the noise that it takes")
    group.add_argument("--noise-multiplier", type=float, metavar="1.1", help="instead, the noise itself")
    group.add_argument(
        "--delta", type=float, metavar="1e-5", help="how likely more than epsilon is, well below 1/rows"
    )
    group.add_argument(
        "--example-clip-norm", type=float, metavar="1.0", help="largest norm of one row's gradient [1.0]"
    )
    group.add_argument(
        "--prepare-from", metavar="public.csv",
        help="learn scales, categories and kinds of columns from these public rows, not from the private ones",
    )  # fmt: skip


def privacy_of(arguments: argparse.Namespace) -> Any:
    """The `DPSGD` that was asked for; None where none was.

    Raises:
      ValueError: options don't go together.
      ModuleNotFoundError: the accountant is not installed.
    """
    if arguments.epsilon is None and arguments.noise_multiplier is None:
        for name in ("delta", "example_clip_norm", "prepare_from"):
            if getattr(arguments, name) is not None:
                flag = f"--{name.replace('_', '-')}"
                raise ValueError(f"{flag}: expected --epsilon or --noise-multiplier beside it, got neither")
        return None
    if arguments.delta is None:
        raise ValueError("--delta: expected how likely more than epsilon is, such as 1e-5, got none")
    if arguments.patience is not None:
        raise ValueError("--patience: expected none with privacy, since private rows must not choose the epoch")
    import jaxbm
    from jaxbm.privacy.accounting import require

    require()
    return jaxbm.DPSGD(
        noise_multiplier=arguments.noise_multiplier, epsilon=arguments.epsilon, delta=arguments.delta,
        clip_norm=1.0 if arguments.example_clip_norm is None else arguments.example_clip_norm,
    )  # fmt: skip


def caveats(arguments: argparse.Namespace) -> tuple[str, ...]:
    """What epsilon does not cover."""
    learned = (
        f"the table's preparation was learned from {arguments.prepare_from}, whose rows count as public"
        if arguments.prepare_from
        else "the table's preparation (scales, categories, kinds of columns) was learned from these rows, and counts "
        "as public; --prepare-from learns it from others"
    )
    return (
        learned,
        "recorded losses, metrics and the report are computed from the rows as they are: not covered",
        "choices made by looking at the rows, such as hyper-parameters: not covered",
    )


def tell(console: Any, spent: Any, arguments: argparse.Namespace) -> None:
    """Epsilon, and what it does not cover; nothing where training was not private."""
    from jaxbm.report.fitting import say

    if spent is None:
        return
    say(console, "\nPrivacy", style="bold")
    say(console, str(spent))
    for text in (*spent.told, *caveats(arguments)):
        say(console, f"- {text}")
