"""Runs of many members that are killed or interrupted, and go on from their folder."""

import signal
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
import pytest
from support.children import HANGS

import jaxbm
from jaxbm.cli import main
from jaxbm.kernels import native
from jaxbm.members import checkpoint, chunks
from jaxbm.members.checkpoint import Checkpoint, load_tree, save_tree
from jaxbm.members.progress import MembersInterrupted
from jaxbm.members.resumable_fit import fit_single
from jaxbm.studies import sweep_plan
from jaxbm.studies.sweep_result import SweepInterrupted

IS_NATIVE = native.native().reason is None
RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 5)).astype(np.float32)
Y = X[:, 0] * X[:, 1]
MODEL = jaxbm.MLP((5, 8, 1))
KEY = jax.random.key(3)
OPTIONS = {"loss": "squared_error", "epochs": 30, "batch_size": 16, "patience": 9, "validation_split": 0.2}

# Each epoch a chunk of its own, told and kept, and slow enough to be caught at it.
SLOWLY = """
import sys, time
from jaxbm.members import checkpoint
from jaxbm.members import chunks
checkpoint.CHECKPOINT_SECONDS, checkpoint.LARGEST_SHARE = 0.0, 1e9
advance, chunks.next_chunk, chunks.FIRST_FLOPS = chunks.Run.advance, lambda *_: 1, 0.0
def slowly(self, stop):
    advance(self, stop)
    print("trained", stop, flush=True)
    time.sleep(0.2)
chunks.Run.advance = slowly
"""


def members(**options):
    return jaxbm.fit_members(KEY, MODEL, X, Y, members=5, **{**OPTIONS, **options})


def assert_same(a, b, exact=IS_NATIVE):
    for one, other in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        if exact:
            np.testing.assert_array_equal(one, other)
        else:
            np.testing.assert_allclose(one, other, rtol=5e-4, atol=1e-5)


def stopped_by(number, code, *argv, after=3):
    """Send a signal to a new process in its so-manieth epoch; its exit status and output."""
    command = [sys.executable, "-P", "-c", SLOWLY + code, *map(str, argv)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        seen = ""
        while f"trained {after}" not in seen:
            line = child.stdout.readline()
            assert line, child.stderr.read()
            seen += line
        child.send_signal(number)
        out, _ = child.communicate(timeout=HANGS)
    return child.returncode, out


def die_after(monkeypatch, epochs):
    """A chunk for each epoch, kept, and death after so many of them."""
    monkeypatch.setattr(checkpoint, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(checkpoint, "LARGEST_SHARE", 1e9)
    monkeypatch.setattr(chunks, "next_chunk", lambda *_: 1)
    monkeypatch.setattr(chunks, "FIRST_FLOPS", 0.0)
    monkeypatch.setattr(chunks, "SHORT_SECONDS", 0.0)
    trained, advance = [], chunks.Run.advance

    def counted(self, stop):
        if len(trained) == epochs:
            raise RuntimeError("killed")
        trained.append(stop)
        advance(self, stop)

    monkeypatch.setattr(chunks.Run, "advance", counted)
    return trained


def test_a_killed_process_is_gone_on_from_in_another(tmp_path):
    code = f"""
import jax, jaxbm, numpy as np
x = np.random.default_rng(0).normal(size=(90, 5)).astype(np.float32)
jaxbm.fit_members(
    jax.random.key(3), jaxbm.MLP((5, 8, 1)), x, x[:, 0] * x[:, 1], members=5, folder=sys.argv[1], **{OPTIONS}
)
"""
    status, _ = stopped_by(signal.SIGKILL, code, tmp_path / "run")
    assert status == -signal.SIGKILL
    told = []
    resumed = members(folder=tmp_path / "run", progress=told.append)
    assert told[0].epochs_done > 2  # it did not begin anew
    assert_same(tuple(resumed), tuple(members()))


def test_what_is_finished_is_not_trained_again(tmp_path, monkeypatch):
    monkeypatch.setattr(chunks, "SHORT_SECONDS", 0.0)
    first, told = members(folder=tmp_path), []
    assert_same(tuple(members(folder=tmp_path, progress=told.append)), tuple(first))
    assert not told


IMPLEMENTATIONS = [pytest.param("cpu", marks=pytest.mark.skipif(not IS_NATIVE, reason="no compiled kernels")), "xla"]


IS_PROGRAM = jaxbm.kernels.status()["program"].startswith("on")


@pytest.mark.parametrize(
    "implementation",
    [*IMPLEMENTATIONS, pytest.param("program", marks=pytest.mark.skipif(not IS_PROGRAM, reason="no llvmlite"))],
)
def test_going_on_changes_nothing_and_trains_no_epoch_twice(tmp_path, monkeypatch, implementation):
    options = {"implementation": implementation, "epochs": np.asarray([3, 9, 2, 9, 1]), "dropout": 0.1}
    whole = members(**options)
    with monkeypatch.context() as patch:
        trained = die_after(patch, 4)
        with pytest.raises(RuntimeError, match="killed"):
            members(folder=tmp_path, **options)
        assert trained == [1, 2, 3, 4]
    with monkeypatch.context() as patch:
        trained = die_after(patch, 99)
        resumed = members(folder=tmp_path, **options)
        assert trained[0] == 5
    assert_same(tuple(resumed), tuple(whole), implementation != "xla")


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_one_model_in_a_folder_is_what_fit_gives(tmp_path, monkeypatch, implementation):
    monkeypatch.setattr(chunks, "FIRST_FLOPS", 0.0)  # in chunks
    options = {**OPTIONS, "epochs": 6, "implementation": implementation}
    kept = fit_single(KEY, MODEL, X, Y, folder=tmp_path / "run", **options)
    assert_same(tuple(kept), tuple(jaxbm.fit(KEY, MODEL, X, Y, **options)), implementation == "cpu")
    with pytest.raises(jaxbm.NonFiniteError):
        fit_single(KEY, MODEL, X, Y, folder=tmp_path / "bad", optimizer=jaxbm.sgd(1e30), **options)


@pytest.mark.parametrize("halving", [None, 2])
def test_a_sweep_goes_on_inside_a_block_and_trains_no_epoch_twice(tmp_path, monkeypatch, halving):
    monkeypatch.setattr(sweep_plan, "MEMBERS_PER_BLOCK", 2)
    rates = {"learning_rate": [1e-4, 1e-3, 1e-2, 1e-1], "dropout": [0.1]}
    options = {"loss": "squared_error", "method": "grid", "epochs": 8, "halving": halving}

    def sweep(folder=None):
        return jaxbm.sweep(rates, KEY, MODEL, X, Y, folder=folder, **options)

    whole = sweep()
    with monkeypatch.context() as patch:
        trained = die_after(patch, 99)
        sweep(tmp_path / "whole")
        total = len(trained)
    for epochs in range(1, total, 3):
        with monkeypatch.context() as patch:
            die_after(patch, epochs)
            with pytest.raises(RuntimeError, match="killed"):
                sweep(tmp_path / str(epochs))
        with monkeypatch.context() as patch:
            trained = die_after(patch, 99)
            resumed = sweep(tmp_path / str(epochs))
            assert len(trained) == total - epochs
        assert_same(resumed.scores, whole.scores)
        assert_same(tuple(resumed.refit), tuple(whole.refit))


GROUPS = np.repeat(["a", "b"], [65, 25])
IN_PARTS = {"loss": "squared_error", "epochs": 5, "optimizer": jaxbm.adam(optax.cosine_decay_schedule(0.02, 40))}


@pytest.mark.promotes  # Optax's schedules do
def test_groups_go_on_part_by_part(tmp_path, monkeypatch):
    def fit_groups(**options):
        return jaxbm.fit_groups(KEY, MODEL, X, Y, GROUPS, pooled=True, **IN_PARTS, **options)

    whole = fit_groups()
    with monkeypatch.context() as patch:
        die_after(patch, 12)  # five epochs of the pooled model, five of the larger group, two of the smaller
        with pytest.raises(RuntimeError, match="killed"):
            fit_groups(folder=tmp_path)
    with monkeypatch.context() as patch:
        trained = die_after(patch, 99)
        resumed = fit_groups(folder=tmp_path)
        assert trained[0] == 3
    assert resumed.labels.tolist() == whole.labels.tolist()
    assert_same(tuple(resumed.result), tuple(whole.result))
    assert_same(tuple(resumed.pooled), tuple(whole.pooled))
    with pytest.raises(ValueError, match="holds a run of other data or options"):
        fit_groups(folder=tmp_path, l2=0.1)
    (tmp_path / "notes").touch()
    with pytest.raises(ValueError, match="not a run of groups"):
        fit_groups(folder=tmp_path)


@pytest.mark.promotes
def test_interrupted_groups_carry_what_was_trained():
    def press(now):
        if now.epochs_done == 1:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(MembersInterrupted) as caught:
        jaxbm.fit_groups(KEY, MODEL, X, Y, GROUPS, progress=press, **IN_PARTS)
    assert caught.value.result.labels.tolist() == ["a"]  # with a schedule, groups of other sizes are trained apart
    assert caught.value.result.result.epochs_run.tolist() == [1]
    assert caught.value.told.members == 2
    assert np.isnan(caught.value.result.predict(X, GROUPS)[65:]).all()


def test_ctrl_c_without_progress_keeps_a_sweeps_finished_blocks(monkeypatch):
    monkeypatch.setattr(sweep_plan, "MEMBERS_PER_BLOCK", 2)
    monkeypatch.setattr(chunks, "FIRST_FLOPS", 0.0)
    trained, advance = [], chunks.Run.advance

    def press(self, stop):
        trained.append(stop)
        if len(trained) == 4:  # in the second block
            signal.raise_signal(signal.SIGINT)
        advance(self, stop)

    monkeypatch.setattr(chunks, "next_chunk", lambda *_: 1)
    monkeypatch.setattr(chunks.Run, "advance", press)
    rates = {"learning_rate": [1e-3, 1e-2, 1e-1]}
    with pytest.raises(SweepInterrupted, match="2 of 3 trials"):
        jaxbm.sweep(rates, KEY, MODEL, X, Y, loss="squared_error", method="grid", epochs=3)
    assert len(trained) == 4


@pytest.fixture
def shops(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frame = pd.DataFrame(X, columns=list("abcde")).assign(shop=np.repeat(["n", "s", "e"], 30), sales=Y)
    frame.to_csv("shops.csv", index=False)
    return tmp_path


CLI = "from jaxbm.cli import main\nsys.exit(main(sys.argv[1:]))"


@pytest.mark.parametrize(
    ("command", "number"),
    [
        (["groups", "shops.csv", "--group", "shop", "--target", "sales"], signal.SIGINT),
        (["train", "shops.csv", "--target", "sales", "--preset", "classic", "--members", "3"], signal.SIGKILL),
    ],
)
def test_the_command_line_goes_on_after_ctrl_c_and_after_a_kill(shops, capsys, command, number):
    command = [*command, "--epochs", "15"]
    status, out = stopped_by(number, CLI, *command, "--out", "m")
    if number == signal.SIGINT:
        assert status == 130
        assert "of 15; kept in m/unfinished; start the same command again to go on" in out
    else:
        assert status == -signal.SIGKILL
    assert main([*command, "--l2", "0.1", "--out", "m"]) == 2
    assert "m/unfinished" in (error := capsys.readouterr().err)
    assert "holds a run of other data or options" in error
    assert main([*command, "--out", "m"]) == 0
    assert "going on with the run that is kept in m/unfinished" in capsys.readouterr().out
    assert sorted(path.suffix for path in (shops / "m").iterdir()) == [".html", ".json", ".safetensors"]
    assert main([*command, "--out", "whole"]) == 0
    kept, whole = (jaxbm.load_members(shops / name).predictor for name in ("m", "whole"))
    if command[0] == "groups":
        kept, whole = kept.result, whole.result
    assert_same(kept.params, whole.params)


def test_a_killed_sweep_goes_on_in_the_middle_of_its_only_block(shops, capsys):
    command = ["sweep", "shops.csv", "--target", "sales", "--hidden", "8", "--trials", "3", "--epochs", "12"]
    status, _ = stopped_by(signal.SIGKILL, CLI, *command, "--out", "s", after=5)
    assert status == -signal.SIGKILL
    assert [path.name for path in (shops / "s" / "rounds").glob("*/*")] == ["members.npz"]
    assert not list((shops / "s" / "rounds").glob("rung-*"))  # no block was through
    assert main([*command, "--out", "s"]) == 0
    assert main([*command, "--out", "whole"]) == 0
    trials, whole = (pd.read_csv(shops / name / "trials.csv") for name in ("s", "whole"))
    pd.testing.assert_frame_equal(trials, whole, check_exact=IS_NATIVE)


def test_what_the_folder_holds_is_checked(tmp_path, monkeypatch):
    monkeypatch.setattr(chunks, "SHORT_SECONDS", 0.0)
    members(folder=tmp_path / "run")
    with pytest.raises(ValueError, match="holds a run of other data or options"):
        members(folder=tmp_path / "run", l2=0.1)
    with pytest.raises(ValueError, match="holds a run of other data or options"):
        jaxbm.fit_members(KEY, MODEL, X, Y + 1, members=5, folder=tmp_path / "run", **OPTIONS)
    path = tmp_path / "run" / "members.npz"
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ValueError, match="damaged or of another version"):
        members(folder=tmp_path / "run")
    with pytest.raises(ValueError, match="is a file"):
        members(folder=path)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "model.json").touch()
    with pytest.raises(ValueError, match="not a run of members"):
        members(folder=tmp_path / "other")
    with pytest.raises(ValueError, match="folder: expected None inside a transformation"):
        jax.jit(lambda y: tuple(jaxbm.fit_members(KEY, MODEL, X, y, members=2, folder=tmp_path / "run", **OPTIONS)))(
            Y
        )


def test_a_tree_comes_back_with_keys_and_bfloat16(tmp_path):
    tree = {"a": jnp.arange(3, dtype=jnp.bfloat16), "b": jax.random.split(KEY, 2), "c": jnp.zeros((0, 2), bool)}
    save_tree(tmp_path / "t", tree, seconds=1.5, name="x")
    back, more = load_tree(tmp_path / "t", jax.eval_shape(lambda: tree))
    assert more == {"seconds": 1.5, "name": "x"}
    assert back["a"].dtype == jnp.bfloat16
    np.testing.assert_array_equal(back["a"], tree["a"])
    np.testing.assert_array_equal(jax.random.key_data(back["b"]), jax.random.key_data(tree["b"]))
    assert back["c"].shape == (0, 2)
    with pytest.raises(ValueError, match="damaged or of another version"):
        load_tree(tmp_path / "t", {**jax.eval_shape(lambda: tree), "a": jax.ShapeDtypeStruct((4,), jnp.bfloat16)})


def test_writing_takes_a_small_part_of_the_time(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(checkpoint.time, "perf_counter", lambda: now[0])
    kept = Checkpoint(tmp_path, lambda: "f")
    assert not kept.is_due(checkpoint.CHECKPOINT_SECONDS - 1)
    assert kept.is_due(checkpoint.CHECKPOINT_SECONDS)
    monkeypatch.setattr(checkpoint, "save_tree", lambda *_, **__: now.__setitem__(0, now[0] + 10))
    kept.save(None, 50.0)
    assert not kept.is_due(249.0)  # ten seconds of writing in two hundred
    assert kept.is_due(251.0)
    assert kept.unkept(251.0) == 201.0
