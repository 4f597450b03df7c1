"""An option that was written and can't do anything is an error, also where it says what holds without it."""

import argparse

import pytest
from support.commands import run

from jaxbm.cli import _parser
from jaxbm.cli.help import COMMANDS

LEAST = {"groups": ["--group", "g"], "evaluate": ["m", "d"], "predict": ["m", "d"], "explain": ["m", "d"]}
"""Words without which a command is none."""


@pytest.mark.parametrize(
    ("words", "match"),
    [
        ("train --demo --no-report --repo r", "--report: expected none beside --no-report, got r"),
        ("train --demo --hidden= --activation relu", "--activation: expected none without hidden layers"),
        ("train --demo --hidden= --dropout 0", "--dropout: expected none without hidden layers"),
        ("groups --demo --group g --hidden= --dropout 0.1", "--dropout: expected none without hidden layers"),
        ("sweep --demo --hidden= --activation tanh", "--activation: expected none without hidden layers"),
        ("train --demo --preset classic --min-delta 0", "--min-delta: expected none without --patience"),
        ("groups --demo --group g --min-delta 0.1", "--min-delta: expected none without --patience"),
        ("sweep --demo iris --min-delta 0.1 0.2", "--min-delta: expected none without --patience, got 0.1 0.2"),
        ("sweep --demo iris --method grid --trials 20", "--trials: expected none with --method grid"),
        ("sweep --demo iris --grid-points 5", "--grid-points: expected none with --method random"),
        ("sweep --demo --folds 3 --validation-split 0.2", "--validation-split: expected none beside --folds"),
        ("sweep --demo iris --bins=16", "--bins: expected none beside --numbers standard"),
        ("sweep --demo --momentum 0 0.9", "--momentum: expected none with --optimizer adam; sgd has it, got 0 0.9"),
        (
            "sweep --demo --optimizer sgd --weight-decay 0",
            "--weight-decay: expected none with --optimizer sgd; adamw",
        ),
        ("sweep --demo --metric r2 --trials 1", "--metric: expected one of classes for a classification (accuracy"),
        ("sweep --demo diabetes --metric f1", "--metric: expected one of numbers for a regression (mse, rmse"),
        ("sweep --demo iris --halving 2 --epochs 1", "halving: expected fewer min_epochs than epochs"),
        ("train --demo --sep ,", "--sep: expected none with --demo"),
        ("explain m d.csv --out explanation.html --no-pic", "--out: expected none beside --no-pictures"),
        ("info --missing x y", "--missing: expected none without a file, got x y"),
        ("info --no-header", "--header: expected none without a file"),
        ("sweep --demo --epsilon 3", "arguments: --epsilon; it is an option of jaxbm train and jaxbm groups; see"),
        ("train d.csv label", "arguments: label; the column to predict is named by --target; see"),
        ("train --data d.csv", "arguments: --data; the file stands by itself, without an option before it; see"),
        ("train d.csv --lr 0.1", "did you mean --learning-rate?"),
        ("train d.csv --label a", "did you mean --target?"),
        ("train d.csv -o a", "did you mean --out or --optimizer?"),
        ("fit d.csv", "unknown command 'fit'; did you mean train?"),
        ("predcit d.csv", "unknown command 'predcit'; did you mean predict?"),
        ("bench --list --full", "--full: expected none beside --list, which runs nothing"),
        ("bench compare a b --out benchmark-report", "--out: expected none beside compare"),
        ("bench --only tiny --full", "--full: expected none beside --only"),
    ],
)
def test_it_is_named(words, match, capsys):
    try:
        status, _, err = run(capsys, *words.split(" "))
    except SystemExit as left:
        status, err = left.code, capsys.readouterr().err
    assert (status, err.count("\n")) == (2, 1)
    assert match in err


@pytest.mark.parametrize("command", COMMANDS)
def test_what_was_written_is_known(command):
    """In every way of writing an option; what is a default was not written."""
    parser, argv = _parser((command,)), [command, *LEAST.get(command, [])]
    least = parser.parse_args(argv).given
    assert least == ({"group"} if command == "groups" else set())
    assert parser.parse_args([*argv, "--js"]).given == least | {"json"}  # options may be abbreviated
    actions = parser._subparsers._group_actions[0].choices[command]._actions
    for action in actions:
        bare = action.nargs == 0 or isinstance(action, argparse.BooleanOptionalAction)
        value = [] if bare else [str(action.choices[0]) if action.choices else "1"]
        for flag in () if action.dest == "help" else action.option_strings:
            assert parser.parse_args([*argv, flag, *value]).given == least | {action.dest}
    assert parser.parse_args(argv).given == least
