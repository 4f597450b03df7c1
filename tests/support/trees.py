"""Trees of arrays, compared."""

import jax
import numpy as np


def assert_close(a, b, exact, rtol=5e-4, atol=1e-5):
    """The same leaves: bit for bit where that is promised, else to rounding."""
    for one, other in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        if exact:
            np.testing.assert_array_equal(one, other)
        else:
            np.testing.assert_allclose(one, other, rtol=rtol, atol=atol)
