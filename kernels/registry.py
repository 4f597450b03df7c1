"""The implementations of a training run, the fastest first: the one list of them."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jaxbm.core.precision import Precision, used
from jaxbm.kernels.mlp import again, from_host
from jaxbm.kernels.mlp import train as cpu
from jaxbm.run import loop
from jaxbm.run.contract import Run, RunState


@dataclass(frozen=True)
class Implementation:
    """One way to carry out a training run.

    A kernel is asked about everything in a run and allows what it knows, by list: an option that came later it
    refuses by itself, and says so. See `unknown_options`.

    Args:
      name: what users call it.
      status: "on", with what it was compiled for, or the reason why it is off on this machine.
      off: the reason why it is off on this machine; None where it is on.
      unsupported: why it can't carry out a run; None where it can.
      slower: why another one is faster at a run, here; None where none is known to be.
      run: `(task, state, data, hyper, words, stop) -> state`, see `contract`.
      direct: the same on the machine's own processor and where nobody differentiates, without the other paths that
        `run` has to trace for both; None where there is nothing to leave out.
      from_host: `(task, state, words, own, shared, stop, lead) -> state`, the same of arrays that are there, see
        `mlp.from_host.run`; it gives None where it can't, and is None where there is nothing to gain.
      again: `(task, state, own, shared) -> epoch`, a function of what changes when one epoch is trained over and
        over, see `mlp.again.epoch`; None as for `from_host`.
      precision: in which numbers it computes a run's products of float32, here.
      platform: JAX's default backend where it is for; None for any.
      failure: why a run fails here that it should be able to carry out, found out by trying, once for each kind of
        run; asked where it would be chosen by itself. None where there is nothing to try.
      fell: takes the message of an error of a run, and tells whether it is its own; `failure` gives it from then on.
        None where `failure` is.
      begin: what makes the state before the first epoch, given the function that does so in plain JAX; None for that.
      in_place: whether the memory of the state before may become that of the state after. Where a call writes arrays
        of its own, XLA would copy each of them into the memory given up.
    """

    name: str
    status: Callable[[], str]
    off: Callable[[], str | None]
    unsupported: Callable[[Run], str | None]
    slower: Callable[[Run], str | None]
    run: Callable[..., RunState]
    direct: Callable[..., RunState] | None = None
    from_host: Callable[..., RunState | None] | None = None
    again: Callable[..., Any] | None = None
    precision: Callable[[Run], Precision] = lambda run: Precision("float32")
    platform: str | None = None
    failure: Callable[[Run], str | None] | None = None
    begin: Callable[[Callable[..., RunState]], Callable[..., RunState]] | None = None
    fell: Callable[[str], bool] | None = None
    in_place: bool = True


def _nothing(*_: Any) -> None:
    return None


def _of_xla(run: Run) -> Precision:
    return used(run.task.precision)


def _later(module: str, name: str) -> Callable[..., Any]:
    """A function of a module that is imported at the first call: one run uses one of them, and most are not light."""

    def call(*arguments: Any, **options: Any) -> Any:
        return getattr(importlib.import_module(module), name)(*arguments, **options)

    return call


CUDA, PROGRAM = "jaxbm.kernels.cuda.train", "jaxbm.kernels.native_loop"
IMPLEMENTATIONS: dict[str, Implementation] = {
    entry.name: entry
    for entry in (
        Implementation(
            "cuda",
            _later(CUDA, "status"),
            _later(CUDA, "off"),
            _later(CUDA, "unsupported"),
            _later(CUDA, "slower"),
            _later(CUDA, "run"),
            precision=_later(CUDA, "precision"),
            platform="gpu",
            failure=_later("jaxbm.kernels.cuda.trial", "failure"),
            fell=_later("jaxbm.kernels.cuda.trial", "fell"),
        ),
        Implementation(
            "cpu",
            cpu.status,
            cpu.off,
            cpu.unsupported,
            cpu.slower,
            cpu.run,
            cpu.run_directly,
            from_host.run,
            again.epoch,
            platform="cpu",
        ),
        Implementation(
            "program",
            _later(PROGRAM, "status"),
            _later(PROGRAM, "off"),
            _later(PROGRAM, "unsupported"),
            _later(PROGRAM, "slower"),
            _later(PROGRAM, "run"),
            direct=_later(PROGRAM, "run"),
            platform="cpu",
            begin=_later(PROGRAM, "begin"),
            in_place=False,
        ),
        # The reference: whatever a run may be, this is what it means.
        Implementation("xla", lambda: "on", _nothing, _nothing, _nothing, loop.run, precision=_of_xla),
    )
}
ABSENT = {
    "tpu": "this version holds no TPU kernel",
}
"""Names that are known, but stand for nothing yet."""
