"""Between chunks of epochs: members that are done are left behind, progress is told, Ctrl-C keeps what there is."""

import signal
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.trees import assert_close

import jaxbm
from jaxbm.kernels import native
from jaxbm.members import chunks, progress
from jaxbm.members.result import MembersResult

IS_NATIVE = native.native().reason is None
RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 5)).astype(np.float32)
Y = X @ RNG.normal(size=5).astype(np.float32)
MODEL = jaxbm.MLP((5, 4, 1))
KEYS = jax.random.split(jax.random.key(3), 8)


def members(keys=KEYS[:4], **options):
    return jaxbm.fit_members(keys, MODEL, X, Y, **{"loss": "squared_error", "epochs": 3, "batch_size": 16, **options})


@pytest.fixture
def sizes(monkeypatch):
    """How many members each chunk of XLA's advanced."""
    seen, advance = [], chunks._advance
    monkeypatch.setattr(chunks, "_advance", lambda *a: (seen.append(a[2].active.shape[0]), advance(*a))[1])
    return seen


def test_xla_goes_on_with_fewer_members_and_puts_them_back(monkeypatch, sizes):
    monkeypatch.setattr(chunks, "COMPACTION_FLOPS", 0.0)
    epochs = np.asarray([1, 1, 1, 9, 1, 1, 1, 1])
    many = members(KEYS, epochs=epochs, implementation="xla")
    assert (sizes[0], sizes[-1]) == (8, 1)
    np.testing.assert_array_equal(many.epochs_run, epochs)
    one = jaxbm.fit(KEYS[3], MODEL, X, Y, loss="squared_error", epochs=9, batch_size=16, implementation="xla")
    assert_close(many.member(3).params, one.params, False)


@pytest.mark.filterwarnings("ignore::jaxbm.members.result.NonFiniteMembersWarning")
def test_xla_leaves_non_finite_members_behind_where_that_pays(monkeypatch, sizes):
    rates = np.full(8, 1e-2, np.float32)
    rates[[0, 1, 3, 4, 6, 7]] = 1e30
    options = {"epochs": 6, "optimizer": jaxbm.sgd(jnp.asarray(rates)), "implementation": "xla"}
    whole = members(KEYS, **options)
    assert sizes == []  # so small a run is one compiled call
    monkeypatch.setattr(chunks, "COMPACTION_FLOPS", 1.0)
    many = members(KEYS, **options)
    assert (sizes[0], sizes[-1]) == (8, 2)
    np.testing.assert_array_equal(many.epochs_run, [1, 1, 6, 1, 1, 6, 1, 1])
    assert_close(tuple(many), tuple(whole), False)


@pytest.mark.parametrize(
    "implementation",
    [pytest.param("cpu", marks=pytest.mark.skipif(not IS_NATIVE, reason="no compiled kernels")), "xla"],
)
def test_progress_tells_and_changes_nothing(implementation):
    told = []
    options = {"epochs": np.asarray([2, 6, 6, 4]), "implementation": implementation}
    many = members(progress=told.append, **options)
    assert_close(many, members(**options), implementation == "cpu")
    assert told[-1].epochs_done == 6
    assert told[-1].members_done == told[-1].members == 4
    assert told[-1].steps == 18 * 3
    assert told[-1].steps_left == 0
    assert told[0].steps_left > 0
    assert told[-1].best_member == many.best
    assert "4/4 members done" in str(told[-1])


def test_ctrl_c_keeps_what_is_finished():
    def press(now):
        if now.epochs_done == 1:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(progress.MembersInterrupted) as caught:
        members(epochs=50, progress=press)
    kept = caught.value.result
    assert isinstance(kept, MembersResult)
    np.testing.assert_array_equal(kept.epochs_run, 1)
    assert_close(kept.params, members(epochs=1).params, IS_NATIVE)


def test_progress_works_outside_the_main_thread():
    found = []
    thread = threading.Thread(target=lambda: found.append(members(progress=lambda now: None)))
    thread.start()
    thread.join()
    assert int(found[0].epochs_run[0]) == 3
