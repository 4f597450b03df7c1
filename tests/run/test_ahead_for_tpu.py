"""Training compiled for a TPU where there is none: what it holds for each member, and that no host is waited for."""

import re

import jax
import jax.numpy as jnp
import pytest
from support import ahead

import jaxbm

ROWS, FEATURES, BATCH = 6_400, 20, 32
MODEL, LOSS = jaxbm.MLP((FEATURES, 64, 32, 1)), "sigmoid_binary_cross_entropy"
TABLE_BYTES = 4 * ROWS * 128
"""The shared table as a TPU lays it out, a row of at most 128 features in 512 bytes."""
OF_MEMBER = 4 * (3 * MODEL.n_params + 3 * ROWS + 4 * BATCH * sum(MODEL.sizes))
"""Parameters and moments, an epoch's order of the rows and what it is computed from, a batch's activations."""
TO_HOST = r"\b(send|recv|infeed|outfeed|copy-start-to-host|MoveToHost)\b|xla_python_cpu_callback"

pytestmark = pytest.mark.skipif(ahead.tpu_missing() is not None, reason=str(ahead.tpu_missing()))


@pytest.mark.parametrize("topology", ["v5e:2x2", "v6e:2x2"])
@pytest.mark.parametrize("members", [1, 64, 264])
def test_nothing_shared_is_copied_for_a_member_and_nothing_waits_for_the_host(topology, members):
    def one(key, x, y):
        return jaxbm.fit(key, MODEL, x, y, loss=LOSS, epochs=10, batch_size=BATCH, implementation="xla")

    lead = () if members == 1 else (members,)
    shapes = (
        jax.ShapeDtypeStruct((*lead, 2), jnp.uint32),
        jax.ShapeDtypeStruct((ROWS, FEATURES), jnp.float32),
        jax.ShapeDtypeStruct((ROWS,), jnp.float32),
    )
    trained = one if members == 1 else jax.vmap(one, in_axes=(0, None, None))
    program = ahead.compiled_for_a_tpu(topology, trained, *shapes)
    assert program.temporaries < TABLE_BYTES + members * OF_MEMBER
    if members > 1:
        assert f"f32[{members},{ROWS},{FEATURES}]" not in program.text
        assert TABLE_BYTES + members * OF_MEMBER < members * 4 * ROWS * FEATURES
    assert program.of_host == 0
    assert not re.findall(TO_HOST, program.text)
    assert " while(" in program.text  # epochs and steps stay on the device
