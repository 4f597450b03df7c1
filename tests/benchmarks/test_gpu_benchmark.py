"""The benchmark for GPUs, dry on a CPU; its judgement of numbers; the table of its results."""

import importlib.util

import jax
import numpy as np
import pytest

import jaxbm
from jaxbm.benchmarks import gpu, gpu_numerics, gpu_table, record
from jaxbm.benchmarks.record import Records, Result, Run
from jaxbm.benchmarks.workloads import Workload
from jaxbm.kernels.cuda import machine, train
from jaxbm.models.dense import Dense
from jaxbm.run import contract
from jaxbm.run.training import Training

#: What a case took on an H200 at most, with four contestants or more; and the numbers before them.
CASE_SECONDS, NUMBERS_SECONDS = {False: 12, True: 30}, 60
LIMITS = {"triad": 2.5e12, "matmul": 3.6e14, "matmul_float32": 5e13}
RUN = Run(
    "2026-01-01T00:00:00Z", {"device": "a GPU", "cpu": "a CPU"}, {"jax": "0.11.2", "torch": "2.11.0"}, None, LIMITS
)


@pytest.fixture
def no_torch(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "torch" else find(name, *a))


@pytest.mark.usefixtures("no_torch")
def test_dry_every_contestant_runs_and_is_written(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(gpu, "_limits", lambda dry: LIMITS)
    monkeypatch.setattr(gpu.importlib.util, "find_spec", lambda name: None)
    path = tmp_path / "gpu.jsonl"
    assert gpu.main(["--dry", "--out", str(path)]) == 0
    records = record.load(path)
    for case in gpu.cases(dry=True):
        results = records.contest(case.name)
        elsewhere = {name for name in results if "orch" in name or "cuda" in name}  # no PyTorch, no GPU
        assert {results[name].status for name in elsewhere} == {"absent"}
        assert {r.status for name, r in results.items() if name not in elsewhere} == {"ok"}
        assert all(r.units == case.steps_per_epoch and len(r.samples) >= 2 for r in results.values() if r.samples)
    assert "plain scan float32 / jaxbm float32" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        gpu.main(["--dry", "--out", str(path)])
    assert "expected a new file" in capsys.readouterr().err


def test_every_case_has_contestants_and_the_kernel_takes_what_fits(monkeypatch):
    monkeypatch.setattr(machine, "machine", lambda: machine.Machine("cpu", "sm_90"))
    refused, minutes = set(), 0.0
    cases = gpu.cases(dry=False)
    assert len({case.name for case in cases}) == len(cases) == 18
    for case in cases:
        x = jax.ShapeDtypeStruct((case.rows, case.sizes[0]), "float32")
        y = jax.ShapeDtypeStruct((case.rows,), "float32" if case.sizes[-1] == 1 else "int32")
        training = Training(
            loss=case.loss, epochs=case.epochs, batch_size=case.batch_size, optimizer=jaxbm.adam(1e-3)
        )
        reason = train.unsupported(training.build(case.model, contract.Data(x, y)))
        refused |= {(case.sizes, reason)} if reason else set()
        takers = {one.name for one in gpu.contestants() if one.takes(case)}
        assert takers >= {"jaxbm float32", "jaxbm cuda", "plain scan float32", "torch.func, CUDA graph"}
        minutes += CASE_SECONDS[len(takers) > 4] / 60
    assert [sizes for sizes, _ in refused] == [(784, 128, 10)]
    assert minutes + NUMBERS_SECONDS / 60 < gpu.MINUTES


def test_it_needs_a_gpu_or_to_be_dry(capsys, tmp_path):
    with pytest.raises(SystemExit):
        gpu.main(["--out", str(tmp_path / "gpu.jsonl")])
    assert "JAX's default backend is cpu, expected a GPU" in capsys.readouterr().err


def test_cases_for_which_no_time_is_left_are_recorded(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(gpu, "_limits", lambda dry: LIMITS)
    monkeypatch.setattr(gpu_numerics, "results", lambda run, shapes, batches: [])
    path = tmp_path / "gpu.jsonl"
    assert gpu.main(["--dry", "--minutes", "0", "--out", str(path)]) == 0
    results = list(record.load(path).results.values())
    assert [r.reason for r in results] == ["no time was left"] * 2


def test_whoever_is_wrong_is_told_and_not_timed(monkeypatch):
    def wrong(case, implementation, precision):
        off = 0.0 if precision is None else 1e-3
        return [
            Dense(np.stack([weight for weight, _ in members]), np.stack([bias + off for _, bias in members]))
            for members in zip(*gpu_numerics.reference(case), strict=True)
        ]

    monkeypatch.setattr(gpu_numerics, "trained", wrong)
    told = list(gpu_numerics.results("r", [(4, 3, 1)], [128]))
    assert {r.contest for r in told} == {"numbers of 4-3-1", "numbers of 4-3-1, batch 128"}
    found = {r.contestant: r for r in told}
    assert found["jaxbm"].status == "ok"
    assert found["jaxbm"].curves["mean error"] == [0.0]
    assert found["jaxbm float32"].status == "failed"
    assert "expected 1e-05" in found["jaxbm float32"].reason
    told = dict.fromkeys((c.name for c in gpu.contestants()), "wrong numbers")
    case = Workload("a case", (4, 3, 1), 16, 8)
    told_of = [r for r in gpu.timed(case, "r", told, 2) if "orch" not in r.contestant and "cuda" not in r.contestant]
    assert {(r.status, r.reason) for r in told_of} == {("failed", "wrong numbers")}


def timed(case, contestant, microseconds, **fields):
    samples = [microseconds * 1e-6 * (1 + 0.01 * i) for i in (-1, 0, 1)]
    return Result(RUN.run, case, contestant, "ok", samples=samples, **fields)


def test_the_table_has_a_line_for_each_case_and_the_ratios_to_reach():
    results = [
        Result(RUN.run, "numbers of 4-3-1", "jaxbm float32", "ok", curves={"mean error": [1e-6]}),
        Result(RUN.run, "numbers of 4-3-1", "jaxbm cuda", "failed", "error 1, expected 0.0001"),
        timed("4-3-1, batch 8", "jaxbm", 20.0),
        timed("4-3-1, batch 8", "plain scan", 18.0),
        Result(RUN.run, "4-3-1, batch 8", "torch.func", "absent", "torch is not installed"),
        Result(RUN.run, "other", "jaxbm", "absent", "no time was left"),
    ]
    told = gpu_table.block(Records([RUN], {(r.contest, r.contestant): r for r in results}))
    assert "a GPU; jax 0.11.2, torch 2.11.0." in told
    assert "A large copy moves 2.5 TB/s" in told
    assert "jaxbm float32 1.0e-06, jaxbm cuda wrong (error 1, expected 0.0001)." in told
    assert "| case | jaxbm | plain scan | plain scan / jaxbm |" in told
    assert "| 4-3-1, batch 8 | 20.0 | 18.0 | 0.90x |" in told
    assert "other" not in told


def test_where_no_gpu_was_measured_that_is_said(tmp_path):
    assert gpu_table.of_folder(tmp_path) == gpu_table.UNKNOWN
