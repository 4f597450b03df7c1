"""A process that was forked after JAX ran in its parent has the locks of JAX's threads, but not the threads: whatever
is computed there may wait for ever. It is told so instead.

Example:
  >>> from jaxbm.core import forks
  >>> forks.check()  # nothing to say here; and a child that is forked from now on will be told
  >>> forks.is_forked()
  False
"""

import os

_used = False
_forked = False


def is_forked() -> bool:
    """Whether this process was forked after JAX was used."""
    return _forked


def check() -> None:
    """To be called before JAX computes.

    Raises:
      RuntimeError: this process was forked after JAX was used.
    """
    if _forked:
        raise RuntimeError(
            "this process was forked after JAX had run in its parent, so JAX would wait here for ever, for threads "
            "that only the parent has. Start processes in another way: by joblib's backend 'loky', scikit-learn's "
            "default, instead of 'multiprocessing', or by multiprocessing's start method 'spawn' or 'forkserver'"
        )
    note()


def note() -> None:
    """To be called where JAX's threads are started."""
    global _used
    _used = True


def _after_fork() -> None:
    global _forked
    _forked = _used


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
