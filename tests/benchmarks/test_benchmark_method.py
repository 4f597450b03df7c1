"""How times are taken, on fake clocks; how results are judged."""

import itertools
import math
import os
import sys

import jax
import numpy as np
import pytest

import jaxbm
from jaxbm.benchmarks import contest as contest_module
from jaxbm.benchmarks import method, worker
from jaxbm.benchmarks.contest import Contest, Contestant
from jaxbm.benchmarks.method import Job, RecompilationError, Round
from jaxbm.benchmarks.operations.processes import run_child
from jaxbm.benchmarks.run import run_contest
from jaxbm.benchmarks.workloads import Workload

TINY = Workload("tiny", (4, 8, 1), rows=64, batch_size=16, epochs=2)


def fake(order, name, seconds):
    def call(seed):
        order.append((name, seed))
        return Round(seconds, 0, {"loss": [float(seed), 1.0]})

    return call


def test_rounds_take_turns_and_everybody_gets_every_seed():
    order = []
    contestants = {name: fake(order, name, 1.0) for name in "abc"}
    times = method.interleave(contestants, rounds=6, warm_up=1)
    assert [name for name, _ in order[:6]] == ["a", "a", "b", "b", "c", "c"]
    turns = [[name for name, _ in order[i : i + 3]] for i in range(6, len(order), 3)]
    assert turns == [list("abc"), list("bca"), list("cab")] * 2
    assert [seed for name, seed in order if name == "b"] == list(range(8))
    assert times["a"].samples == [1.0] * 6
    assert times["a"].curves == {"loss": [4.5, 1.0]}  # seeds 2 to 7


def test_a_slow_contestant_gets_fewer_rounds_but_never_less_than_the_least():
    order = []
    contestants = {"slow": fake(order, "slow", 10.0), "fast": fake(order, "fast", 0.1)}
    times = method.interleave(contestants, rounds=12, budget=40.0)
    assert [len(times[name].samples) for name in ("slow", "fast")] == [4, 12]
    assert len(method.interleave(contestants, rounds=12, budget=1.0)["slow"].samples) == 3
    # A budget for 7 of 12 rounds is kept, and its rounds lie all along the others'.
    order.clear()
    assert len(method.interleave(contestants, rounds=12, budget=75.0)["slow"].samples) == 7
    assert [seed for name, seed in order if name == "slow"][2:] == [2, 4, 6, 8, 9, 11, 13]


def test_the_clock_sees_neither_setup_nor_curves():
    clock = itertools.count().__next__
    ticks = []
    job = Job(
        lambda argument: ticks.append(clock()),
        lambda seed: ticks.append(clock()),
        curves=lambda _: {"loss": [clock()]},
    )
    found = method.timed(job, 0, clock=clock)
    assert ticks == [0, 2]  # the clock's own readings are 1 and 3
    assert (found.seconds, found.curves) == (2.0, {"loss": [4.0]})


def test_everything_asynchronous_is_waited_for():
    waited = []

    class Leaf:
        def block_until_ready(self):
            waited.append(self)
            return self

    leaves = [Leaf(), Leaf(), Leaf()]
    method.ready({"a": leaves[0], "b": (leaves[1], [leaves[2], 3])})
    assert waited == leaves


def test_a_compilation_while_the_clock_runs_is_an_error():
    lengths = itertools.count(3)
    steady = jax.jit(lambda x: x + 1)
    growing = Job(lambda seed: steady(np.zeros(next(lengths), np.float32)))
    with pytest.raises(RecompilationError, match="growing: 1 compilations while the clock ran"):
        method.interleave({"growing": lambda seed: method.timed(growing, seed)}, rounds=2)
    x = np.zeros(2, np.float32)
    times = method.interleave({"steady": lambda seed: method.timed(Job(lambda _: steady(x)), seed)}, rounds=2)
    assert 0 < times["steady"].compiling < times["steady"].first


def test_a_difference_within_the_noise_is_a_tie():
    wide = [0.9, 1.0, 1.1] * 5
    assert method.verdict(wide, [1.02 * s for s in wide]).word == "tie"
    assert method.verdict([1.0] * 9, [1.04] * 9, noise_level=0.05).word == "tie"
    slower = method.verdict([1.0] * 9, [0.9] * 9, noise_level=0.05)
    assert slower.word == "slower"
    assert slower.ratio == pytest.approx(0.9)
    assert method.verdict([1.0] * 9, [1.1] * 9, noise_level=0.05).word == "faster"


def test_noise_is_what_the_same_thing_differs_by():
    assert method.noise([1.0] * 5, [1.1] * 5) == pytest.approx(math.log(1.1))
    samples = [1.0, 1.2, 1.4, 1.6, 1.8]
    assert 0.1 < method.noise(samples, samples) < math.log(1.8)


@pytest.fixture
def makers(monkeypatch):
    """Contestants whose jobs are made by functions given here."""
    made = {}
    monkeypatch.setattr(Contestant, "job", lambda self, case: made[self.make](case))
    return made


def test_who_is_absent_broken_or_unequal_is_told_apart(makers, monkeypatch):
    makers["good"] = lambda case: Job(lambda seed: 0, curves=lambda _: {"loss": [0.5, 0.4]})
    makers["other loss"] = lambda case: Job(lambda seed: 0, curves=lambda _: {"loss": [0.5, 0.2]})
    makers["nan"] = lambda case: Job(lambda seed: 0, curves=lambda _: {"loss": [0.5, float("nan")]})
    makers["late"] = lambda case: Job(lambda seed: 1 / (seed - 3), curves=lambda _: {"loss": [0.5, 0.4]})

    def broken(case):
        raise OSError("no such thing\nand more")

    makers["broken"] = broken
    entries = [Contestant(name, name) for name in ("good", "other loss", "nan", "late", "broken")]
    entries.append(Contestant("absent", "absent", requires=("no_such_module",)))
    entries.append(Contestant("off", "off", kernel=True))
    monkeypatch.setattr(jaxbm.kernels, "status", lambda: {"cpu": "no compiler was found"})
    results = {r.contestant: r for r in run_contest(Contest("c", "t", TINY, tuple(entries)), "run", rounds=4)}
    assert {name: r.status for name, r in results.items()} == {
        "good": "ok",
        "other loss": "failed",
        "nan": "failed",
        "late": "failed",
        "broken": "failed",
        "absent": "absent",
        "off": "absent",
    }
    assert results["other loss"].reason == "loss: expected 0.4000 after the last epoch, within 15%, got 0.2000"
    assert results["late"].reason == "ZeroDivisionError: division by zero"
    assert results["broken"].reason == "OSError: no such thing"
    assert results["absent"].reason == "no_such_module is not installed"
    assert results["off"].reason == "the compiled CPU kernels are off: no compiler was found"
    assert len(results["good"].samples) == 4


def test_a_contestant_timed_on_fewer_members_is_scaled(makers):
    makers["all"] = lambda case: Job(lambda seed: case.members)
    many = TINY.with_members(10)
    entries = (Contestant("all", "all"), Contestant("few", "all", members=2))
    everyone, few = run_contest(Contest("c", "t", many, entries), "run", rounds=2)
    assert (everyone.units, few.units) == (10 * 8, 2 * 8)
    assert few.members_timed == 2
    assert few.per_unit == [s / 16 for s in few.samples]
    assert everyone.flops == 5 * few.flops


def test_a_contest_that_needs_more_memory_than_is_free_is_absent(makers, monkeypatch):
    makers["good"] = lambda case: Job(lambda seed: 0)
    monkeypatch.setattr(contest_module, "free_bytes", lambda: 3.0 * 2**30)
    for memory, status in ((2.0, "ok"), (4.0, "absent")):
        entered = Contest("c", "t", TINY, (Contestant("good", "good"),), memory=memory * 2**30)
        result = run_contest(entered, "run", rounds=2)[0]
        assert result.status == status
    assert result.reason == "it takes 4 GiB of memory, of which 3 are free"


def test_a_first_call_compiles_whatever_ran_before(makers):
    function = jax.jit(lambda x: 2 * x)
    makers["same"] = lambda case: Job(lambda seed: function(np.zeros(3, np.float32)))
    contest = Contest("c", "t", TINY, (Contestant("same", "same"),))
    for _ in range(2):
        assert run_contest(contest, "run", rounds=2)[0].compiling > 0


def test_a_childs_peak_is_its_own():
    held = bytearray(300_000_000)  # more than the child will ever hold
    held[::4096] = b"x" * len(held[::4096])
    ended = run_child([sys.executable, "-c", "print('done')"])
    assert ended.output.strip() == "done"
    assert 1e6 < ended.peak < 1.5e8
    with pytest.raises(RuntimeError, match="exit status 3: broken"):
        run_child([sys.executable, "-c", "print('broken'); raise SystemExit(3)"])
    del held


def test_a_small_program_is_awake_when_its_round_begins_but_its_first_call_is_the_first():
    from jaxbm.benchmarks.programs.jobs import warmed

    calls = []
    job = warmed(calls.append)
    for seed in range(2):
        job.run(job.setup(seed))
        assert calls[0] == 0
        assert (len(calls) > 2) == (seed > 0), "calls before the clock starts, though none before the first"
        assert set(calls[1:]) <= {1}


def test_workers_find_compiled_modules_as_of_an_installed_package(monkeypatch):
    told = []
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setattr(worker.compileall, "compile_dir", lambda folder, quiet: told.append(str(folder)))
    worker.environment.cache_clear()
    found = worker.environment()
    worker.environment.cache_clear()
    assert "PYTHONDONTWRITEBYTECODE" not in found
    assert found["PATH"] == os.environ["PATH"]
    assert len(told) == 3
