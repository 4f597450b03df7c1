"""The package's names, asked for by several threads at once before anything was imported."""

import pytest
from support.children import HANGS, python

PROGRAM = """
import faulthandler, sys, threading, jaxbm
faulthandler.dump_traceback_later({hangs}, exit=True)  # where they wait for each other
sys.setswitchinterval(1e-6)  # one thread is inside a package while another asks for a module of it
wrong = []
def ask(name):
    try:
        getattr(jaxbm, name)
    except BaseException as error:
        wrong.append((name, repr(error)))
threads = [threading.Thread(target=ask, args=(name,)) for name in {names!r}]
for one in threads: one.start()
for one in threads: one.join()
assert not wrong, wrong
"""
NAMES = [
    ("fit", "MLP", "adam", "metrics", "losses", "sweep", "save", "fit_members"),
    ("accelerate", "explain", "fit"),
    ("models", "MLP", "Dense", "Model", "optimizers", "adam", "tabular", "table", "load"),
]


@pytest.mark.parametrize("names", NAMES)
def test_threads_may_be_the_first_to_ask(names):
    python("-c", PROGRAM.format(names=names, hangs=HANGS / 2))
