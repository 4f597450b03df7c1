"""JAX's own inputs for its primitives, which its wheel brings along: natively what jax.jit gives.

One small case of each primitive by default; with JAXBM_HARNESSES=1, as `nox -s harnesses` has it, all thousands.
"""

import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from contract import TOLERANCE, compare, reference

import jaxbm
from jaxbm.kernels.program.flatten import flatten
from jaxbm.kernels.program.ir import NotNative
from jaxbm.kernels.program.traced import trace_jaxpr

ALL = os.environ.get("JAXBM_HARNESSES", "") not in ("", "0")
AT_ONCE = 30
FREE = {
    # What stands above the diagonal, and the order of equal elements, are left open.
    "cholesky": np.tril,
    "isstable_False": lambda x: np.sort(x, axis=None),
    "approx_top_k": lambda x: x if x.dtype.kind != "i" else x * 0,
}
LEAST_NATIVE = 100
"""Primitives of which a case must be native."""


def harnesses():
    found = pytest.importorskip("jax._src.internal_test_util.test_harnesses").all_harnesses
    return [h for h in found if h.filter("cpu") and not np.issubdtype(h.dtype, np.complexfloating)]


def arguments(harness):
    return harness.dyn_args_maker(np.random.RandomState(0))


def is_native(harness):
    try:
        trace_jaxpr(flatten(harness.dyn_fun, arguments(harness), {}).closed)
    except NotNative:
        return False
    return True


def chosen():
    """By primitive the smallest native case, or all of them."""
    groups = {}
    for harness in harnesses():
        groups.setdefault(harness.group_name, []).append(harness)
    size = lambda h: sum(getattr(x, "size", 1) or 10**6 for x in jax.tree.leaves(arguments(h)))  # noqa: E731
    for group in groups.values():
        if ALL:
            yield from filter(is_native, group)
        else:
            yield from filter(is_native, sorted(group[::4], key=size)[:1])


def differs(harness, got, want):
    """Why it does, or None. Errors are relative to the largest value: what a sum's order changes counts."""
    for name, known in FREE.items():
        if name in harness.fullname:
            got, want = (jax.tree.map(lambda x, k=known: jnp.asarray(k(np.asarray(x))), v) for v in (got, want))
    try:
        for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
            is_float = str(b.dtype) in TOLERANCE and b.size
            finite = np.abs(np.asarray(b, np.float64)) if is_float else np.zeros(1)
            largest = np.max(finite, where=np.isfinite(finite), initial=0.0)
            compare(a, b, factor=30.0, magnitude=max(largest, 1e-30))
    except AssertionError as error:
        return f"{harness.fullname}: {error}"
    return None


def differences(batch):
    """Of harnesses compiled as one program; one by one where XLA refuses one of them."""
    args = [arguments(h) for h in batch]
    f = lambda args: [h.dyn_fun(*a) for h, a in zip(batch, args, strict=True)]  # noqa: E731
    try:
        want = jax.block_until_ready(reference(f)(args))
    except Exception:
        if len(batch) == 1:
            return []
        return [text for h in batch for text in differences([h])]
    got = jaxbm.accelerate(f, require=True)(args)
    return list(filter(None, (differs(*of) for of in zip(batch, got, want, strict=True))))


@pytest.mark.filterwarnings("ignore")
def test_inputs_of_jax():
    with jax.enable_x64(True):
        native = list(chosen())
        assert len({h.group_name for h in native}) > LEAST_NATIVE
        found = []
        for k in range(0, len(native), AT_ONCE):
            found += differences(native[k : k + AT_ONCE])
            if ALL:
                jax.clear_caches()
        assert found == []
