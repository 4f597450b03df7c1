"""The command line of `jaxbm bench`, apart from the code behind it, so that `jaxbm --help` need not import that."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Fill in the parser of `jaxbm bench`."""
    parser.add_argument("words", nargs="*", metavar="compare A B", help="compare two files of results instead")
    parser.add_argument("--full", action="store_true", help="everything, instead of the five-minute selection")
    parser.add_argument(
        "--only", action="append", metavar="NAME", help="a contest or selection by name; may be given more than once"
    )
    parser.add_argument("--rounds", type=int, help="timed calls of each contestant, instead of each contest's own")
    parser.add_argument("--out", default="benchmark-report", metavar="FOLDER", help="where results and report go")
    parser.add_argument("--resume", action="store_true", help="keep what the folder has, run only what is missing")
    parser.add_argument("--list", action="store_true", help="show selections and contests, run nothing")
