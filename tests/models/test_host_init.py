"""Parameters drawn on the host are those that the compiled program draws, bit for bit."""

import jax
import numpy as np
import pytest

from jaxbm import MLP
from jaxbm.core.keys import host_data
from jaxbm.models import host_init


@pytest.mark.parametrize("name", sorted(host_init.UNIFORM))
def test_they_are_the_same_bits(name):
    model = MLP((7, 19, 1), weight_init=name, use_bias=name != "he_uniform")
    keys = jax.random.split(jax.random.key(3), 2)
    found = host_init.host_init(model, host_data(keys))
    jax.tree.map(np.testing.assert_array_equal, found, jax.vmap(model.init)(keys))


def test_what_the_host_does_not_draw_is_told():
    assert host_init.unsupported(MLP((2, 3))) is None
    assert "not 'he_normal'" in host_init.unsupported(MLP((2, 3), weight_init="he_normal"))
    assert "float32" in host_init.unsupported(MLP((2, 3), param_dtype="bfloat16"))
