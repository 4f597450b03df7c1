"""Arrays between host and device: what is taken of them, without a program compiled for it."""

import gc

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxbm.core import checks
from jaxbm.core.device import ALIGNMENT, copied, host_memory, taken

TREE = {"a": jnp.arange(12.0).reshape(4, 3), "b": (jnp.arange(4), jnp.asarray([True, False, True, True]), None)}


@pytest.mark.parametrize("index", [2, -1, slice(1, None), np.asarray([3, 0, 3])], ids=str)
def test_what_is_taken_is_what_indexing_gives(index):
    found, wanted = taken(TREE, index), jax.tree.map(lambda leaf: leaf[index], TREE)
    assert jax.tree.structure(found) == jax.tree.structure(wanted)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_array_equal(a, b)
        assert jax.typeof(a) == jax.typeof(b)


def test_nothing_is_compiled_for_an_index(caplog):
    x = jax.device_put(np.ones((7, 5), np.float32))
    with jax.log_compiles():
        taken({"a": x}, 3)
        assert not caplog.records
        x[3]
    assert caplog.records  # the log is one


def test_under_a_transformation_it_is_indexing():
    x = jnp.arange(12.0).reshape(4, 3)
    np.testing.assert_array_equal(jax.jit(lambda x: taken(x, 1))(x), x[1])
    np.testing.assert_array_equal(jax.grad(lambda x: taken(x, 1).sum())(x), jnp.zeros((4, 3)).at[1].set(1))
    np.testing.assert_array_equal(jax.jit(lambda: taken(x, 1))(), x[1])


def test_keys_and_weak_types_stay_what_they_are():
    keys = jax.random.split(jax.random.key(0), 3)
    assert taken(keys, 1) == keys[1]
    weak = jnp.broadcast_to(jnp.asarray(1.0), (3,))
    assert taken(weak, 1).weak_type == weak[1].weak_type


def test_a_copy_keeps_nothing_else_alive():
    whole = np.arange(1000.0)
    part = copied(whole[3:5])
    assert part.tolist() == [3.0, 4.0]
    assert not np.shares_memory(part, whole)
    assert part.ctypes.data % ALIGNMENT == 0


@pytest.mark.parametrize("shape", [(), (5,), (3, 5)], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "bool", "int32"])
def test_memory_begins_where_jax_takes_it(shape, dtype):
    memory = host_memory(shape, dtype, zeros=True)
    assert memory.shape == shape
    assert memory.dtype == dtype
    assert not memory.any()
    assert memory.ctypes.data % ALIGNMENT == 0


def test_what_was_found_out_about_an_array_lasts_as_long_as_it(monkeypatch):
    x, looked = jnp.ones(3), []
    isfinite = np.isfinite
    monkeypatch.setattr(np, "isfinite", lambda values: (looked.append(len(values)), isfinite(values))[1])
    for _ in range(3):
        checks.finite("x", x)
        checks.finite("x", np.ones(4))
    assert looked == [3, 4, 4, 4]
    known = len(checks._remembered)
    del x
    gc.collect()
    assert len(checks._remembered) == known - 1


def test_what_is_not_finite_is_told_each_time():
    for _ in range(2):
        with pytest.raises(ValueError, match="x: expected finite values, got nan at"):
            checks.finite("x", jnp.asarray([1.0, jnp.nan]))
