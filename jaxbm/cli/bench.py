"""`jaxbm bench`: measure this machine, jaxbm and its peers; compare two files of results."""

from __future__ import annotations

import argparse

from jaxbm.cli.shared import refuse

DESCRIPTION = (
    "Time jaxbm and the libraries beside it, as far as they are installed, on this machine, and write a report with "
    "its figures, its versions and what was missed."
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("words", nargs="*", metavar="compare A B", help="compare two files of results instead")
    parser.add_argument("--full", action="store_true", help="everything, instead of the five-minute selection")
    parser.add_argument(
        "--only", action="append", metavar="NAME", help="a contest or selection by name; may be given more than once"
    )
    parser.add_argument(
        "--rounds", type=int, metavar="N", help="timed calls of each contestant, instead of each contest's own"
    )
    parser.add_argument("--out", default="benchmark-report", metavar="FOLDER", help="where results and report go")
    parser.add_argument("--resume", action="store_true", help="keep what the folder has, run only what is missing")
    parser.add_argument("--list", action="store_true", help="show selections and contests, run nothing")


def run(arguments: argparse.Namespace) -> None:
    """Run a selection and write its report, or compare."""
    from jaxbm.benchmarks.command import bench

    told = ("full", "only", "rounds", "out", "resume")
    if arguments.words:
        refuse(arguments, "beside compare, which runs nothing", "list", *told)
    elif arguments.list:
        refuse(arguments, "beside --list, which runs nothing", *told)
    elif arguments.only:
        refuse(arguments, "beside --only, which names what runs", "full")
    bench(arguments)
    if not (arguments.words or arguments.list):
        arguments.outcome["out"] = arguments.out
