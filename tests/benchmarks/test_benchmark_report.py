"""Records, the report, the comparison and the command, on small recorded data."""

import dataclasses
import importlib.util
import json
import pathlib

import pytest
from support.children import python

import jaxbm
from jaxbm.benchmarks import analysis, compare, limits, record, report
from jaxbm.benchmarks.contest import Contest, Contestant, Target
from jaxbm.benchmarks.contests import contests
from jaxbm.benchmarks.record import Records, Result, Run
from jaxbm.benchmarks.workloads import WORKLOADS
from jaxbm.cli import main

MACHINE = {
    "cpu": "a CPU",
    "threads": 2,
    "backend": "cpu",
    "device": "cpu",
    "devices": 1,
    "kernels": "on (AVX2)",
    "python": "3.12.0",
    "system": "Linux x86_64",
}
LIMITS = {
    "peak_core": 1e11,
    "peak": 2e11,
    "matmul": 1.5e11,
    "triad": 1e10,
    "seven_streams": 2e10,
    "call": 5e-6,
    "threads": 2.0,
    "cache": 1e6,
}
RUN = Run("2026-01-01T00:00:00Z", MACHINE, {"jax": "0.10.2"}, "0123456789ab", LIMITS)
FLOPS = 1e8


def result(contestant, seconds, *, contest="small", **fields):
    samples = [float(f"{seconds * (1 + 0.001 * i):.6g}") for i in range(-3, 4)]
    workload = WORKLOADS["small"]
    values = {
        "case": json.loads(json.dumps(workload.describe())),
        "unit": "step",
        "units": 1000,
        "first": 1.0,
        "compiling": 0.8,
        "samples": samples,
        "flops": FLOPS,
        "bytes": 1e6,
    } | fields
    return Result(RUN.run, contest, contestant, fields.pop("status", "ok"), **values | fields)


def written(path, scale=1.0):
    lines = [
        RUN,
        result("jaxbm", 4e-3 * scale, curves={"loss": [0.3, 0.2], "val_loss": [0.35, 0.25]}),
        result("jaxbm again", 4.04e-3 * scale),
        result("jaxbm (XLA)", 10e-3, curves={"loss": [0.3, 0.2], "val_loss": [0.35, 0.25]}),
        result("jaxbm (one thread)", 5e-3),
        result("JAX scan", 32e-3, curves={"loss": [0.3, 0.2], "val_loss": [0.3, 0.26]}),
        result("scikit-learn", 3e-3),
        Result(RUN.run, "small", "PyTorch", "absent", "torch is not installed"),
        result("jaxbm", 1e-3, contest="scaling-1", case={"members": 1}),
        result("jaxbm", 2e-3, contest="scaling-2", case={"members": 2}),
        result("jaxbm, 1 thread", 2e-3, contest="threads", case={"members": 64}),
        result("jaxbm, 2 threads", 1e-3, contest="threads", case={"members": 64}),
    ]
    record.append(path, lines)
    return lines


def test_records_come_back_as_they_were(tmp_path):
    lines = written(tmp_path / "a.jsonl")
    records = record.load(tmp_path / "a.jsonl")
    assert records.runs == [RUN]
    assert list(records.results.values()) == lines[1:]
    assert record.load(tmp_path).results == records.results
    assert records.contests() == ["small", "scaling-1", "scaling-2", "threads"]


def test_a_later_run_replaces_a_contest_whole(tmp_path):
    path = tmp_path / "a.jsonl"
    written(path)
    later = dataclasses.replace(RUN, run="2026-01-02T00:00:00Z")
    record.append(path, [later, dataclasses.replace(result("jaxbm", 1e-3), run=later.run)])
    records = record.load(path)
    assert list(records.contest("small")) == ["jaxbm"]
    assert records.run_of(records.contest("small")["jaxbm"]) == later


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("not json", r"a.jsonl:1: expected a line of JSON, got 'not json'"),
        ('{"schema": 99, "kind": "run"}', "a.jsonl:1: expected schema 1, got 99"),
        ("[1]", r"a.jsonl:1: expected schema 1, got \[1\]"),
        ('{"schema": 1, "kind": "other"}', "expected kind 'run' or 'result', got 'other'"),
        ('{"schema": 1, "kind": "result", "colour": 1}', "a.jsonl:1: .*colour"),
    ],
)
def test_foreign_lines_are_refused(tmp_path, text, message):
    (tmp_path / "a.jsonl").write_text(text + "\n")
    with pytest.raises(ValueError, match=message):
        record.load(tmp_path / "a.jsonl")


def test_nothing_that_json_has_no_word_for_is_written():
    with pytest.raises(ValueError, match="JSON"):
        record.dumps(result("jaxbm", float("nan")))


def test_this_machine_is_described():
    run = record.describe_run(LIMITS)
    assert run.machine["backend"] == "cpu"
    assert run.machine["threads"] >= 1
    assert run.versions["jaxbm"] == jaxbm.__version__
    assert record._parsed(record.dumps(run), "here").machine == run.machine


def test_fraction_of_the_limit_that_binds():
    # 1e8 FLOPs at 2e11 a second are 0.5 ms, 1e6 bytes at 2e10 a second 0.05 ms: arithmetic binds.
    assert analysis.share(result("jaxbm", 1e-3), RUN) == ("arithmetic", pytest.approx(0.5))
    assert analysis.share(result("jaxbm", 1e-3, bytes=1.6e7), RUN) == ("bandwidth", pytest.approx(0.8))
    assert analysis.share(result("jaxbm", 1e-3, flops=None), RUN) is None
    # Next to nothing to do: what binds are the 5 us of a call.
    assert analysis.share(result("jaxbm", 2e-5, flops=1e3, bytes=1e3), RUN) == ("call", pytest.approx(0.25))


@pytest.mark.parametrize(
    ("target", "measured", "met"),
    [
        (Target("speed", 7.9, against="JAX scan"), 8.0, True),
        (Target("speed", 8.1, against="JAX scan"), 8.0, False),
        (Target("peak", 0.2, "core peak", "jaxbm (one thread)"), 0.2, True),
        (Target("compile", 0.7, "compile"), 0.8, False),
        (Target("memory", 2.0, "memory", against="JAX scan"), 3.0, True),
        (Target("absent", 2.0, against="PyTorch"), None, None),
    ],
)
def test_claims(target, measured, met):
    results = {
        "jaxbm": result("jaxbm", 4e-3, peak_bytes=1e9),
        "jaxbm (one thread)": result("jaxbm (one thread)", 5e-3),
        "JAX scan": result("JAX scan", 32e-3, peak_bytes=3e9),
        "PyTorch": Result(RUN.run, "small", "PyTorch", "absent", "torch is not installed"),
    }
    found = analysis.outcome(target, results, RUN)
    assert found.met is met
    assert found.measured == (None if measured is None else pytest.approx(measured))
    assert met is not None or found.note == "PyTorch: torch is not installed"


def test_time_to_a_validation_loss():
    ours = result("jaxbm", 4e-3, curves={"val_loss": [0.4, 0.3, 0.2, 0.1]})
    assert analysis.epochs_to(ours, 0.3) == 2
    assert analysis.seconds_to(ours, 0.3) == pytest.approx(2e-3)
    assert analysis.seconds_to(ours, 0.05) is None


def test_report(tmp_path):
    written(tmp_path / "a.jsonl")
    records = record.load(tmp_path / "a.jsonl")
    text = report.write(records, contests(), tmp_path).read_text()
    assert (
        "| 20-64-32-1, an epoch with shuffle, against a plain scan with jax.random.permutation | 6.5x | 8x | met |"
        in text
    )
    assert "| 20-64-32-1 against our own XLA path | 3x | 2.5x | **missed** |" in text
    assert "scikit-learn takes 0.75x our time" in text
    assert "| jaxbm | 4.00 us (3.99 us to 4.01 us) | 1.00 s (800 ms) | 12% arithmetic | 1 |" in text
    assert "Not timed: PyTorch: absent, torch is not installed." in text
    assert "Noise (jaxbm against itself): 1." in text
    assert "Noise: not measured, jaxbm was timed once." in text  # of the scaling
    assert "To a validation loss of 0.2600:" in text
    assert "GPU: not measured." in text
    pictures = ("peers-1", "roofline", "time-to-loss", "scaling-members", "scaling-threads")
    for name in pictures:
        assert f"]({name}.svg)" in text
        assert (tmp_path / f"{name}.svg").stat().st_size > 1_000


def test_compare_tells_changes_from_noise(tmp_path):
    written(tmp_path / "a.jsonl")
    written(tmp_path / "b.jsonl", scale=0.8)
    before, after = (record.load(tmp_path / f"{name}.jsonl") for name in "ab")
    found = {(c.contest, c.contestant): c for c in compare.changes(before, after)}
    ours = found["small", "jaxbm"]
    assert (ours.word, round(ours.relative, 6)) == ("faster", -0.2)
    assert found["small", "JAX scan"].word == "tie"
    assert found["small", "JAX scan"].margin > 0.01  # A/A differs by one per cent
    assert compare.changes(after, before)[0].word == "slower"
    assert "1 faster, 0 slower" in compare.text(before, after)
    other = Records([dataclasses.replace(RUN, machine=MACHINE | {"threads": 8})], after.results)
    assert "The machines differ in threads" in compare.text(before, other)
    with pytest.raises(ValueError, match="contest in common"):
        compare.text(before, Records())


def test_the_command_runs_reports_resumes_and_compares(tmp_path, capsys, monkeypatch):
    out = tmp_path / "report"
    options = ["bench", "--only", "permutation-1000", "--rounds", "3", "--out", str(out)]
    assert main(options) == 0
    assert f"report: {out / 'report.md'}" in capsys.readouterr().out
    records = record.load(out / "results.jsonl")
    assert records.contests() == ["permutation-1000"]
    assert all(len(r.samples) == 3 for r in records.results.values())
    assert records.runs[0].limits["peak"] > 0
    assert main([*options, "--resume"]) == 0  # nothing is missing: nothing runs
    assert len(record.load(out / "results.jsonl").runs) == 1
    path = out / "results.jsonl"
    whole = path.read_text()
    monkeypatch.setattr(limits, "measure", lambda: LIMITS)
    lines = whole.splitlines(keepends=True)
    for cut in (lines[:-1], [*lines[:-1], lines[-1][:50]], [lines[0][:50]]):  # killed after, in, before a result
        path.write_text("".join(cut))
        assert main([*options, "--resume"]) == 0
        records = record.load(path)
        assert list(records.contest("permutation-1000")) == ["jaxbm", "jaxbm again", "jax.random"]
    path.write_text(whole)
    capsys.readouterr()
    assert main(["bench", "compare", str(out / "results.jsonl"), str(out / "results.jsonl")]) == 0
    assert "0 faster, 0 slower, 2 within the noise" in capsys.readouterr().out
    assert main(["bench", "--list"]) == 0
    assert "one model 20-64-32-1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--only", "smal"], "only: unknown name 'smal'; did you mean 'small'?"),
        (["--rounds", "1"], "--rounds: expected at least 2, got 1"),
        (["compare", "a"], "expected no word, or compare A B, got 'compare a'"),
        (["compare", "a", "b"], "no such file"),
    ],
)
def test_bad_words(words, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["bench", *words]) == 2
    assert message in capsys.readouterr().err


def test_a_contestant_in_its_own_process_takes_turns(tmp_path):
    from jaxbm.benchmarks.run import run_contest

    start = Contestant("other", "operations.elementwise:permutation", {"library": "jaxbm"}, separate=True)
    known = contests()["permutation-1000"]
    here = known.contestants[0]
    contest = Contest(known.name, "t", known.case, (here, dataclasses.replace(start, name="jax.random")))
    both = run_contest(contest, "run", rounds=3)
    assert [r.status for r in both] == ["ok", "ok"], both
    assert both[1].peak_bytes > 1e7
    gone = Contest("permutation-1000", "t", known.case, (dataclasses.replace(start, name="nobody"),))
    assert run_contest(gone, "run", rounds=2)[0].reason == "WorkerError: StopIteration"


def test_finding_contests_and_collecting_suites_imports_no_peer(tmp_path):
    suites = pathlib.Path(__file__).parents[2] / "benchmarks" / "suites"
    code = f"""
import sys, pytest
from jaxbm.benchmarks.contests import contests
status = pytest.main(["--collect-only", "-qq", "-p", "no:cacheprovider", {str(suites)!r}])
peers = {{"torch", "tensorflow", "keras", "flax", "equinox", "sklearn", "joblib", "pandas"}}
print("imported:", sorted(peers & set(sys.modules)), "status:", int(status))
reasons = [contestant.absence() for contest in contests().values() for contestant in contest.contestants]
print("imported:", sorted(peers & set(sys.modules)))
"""
    done = python("-c", code, folder=tmp_path)
    assert done.stdout.count("imported: []") == 2, done.stdout
    if importlib.util.find_spec("pytest_benchmark"):
        assert "status: 0" in done.stdout
