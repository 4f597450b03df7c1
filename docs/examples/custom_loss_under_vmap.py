"""Quantile regression: a loss of one's own, and one training run for each quantile by `vmap`."""

import jax
import jax.numpy as jnp
import numpy as np

import jaxbm

rng = np.random.default_rng(0)
x = rng.uniform(-2, 2, size=(2000, 1)).astype(np.float32)
y = (np.sin(2 * x[:, 0]) + (0.1 + 0.2 * np.abs(x[:, 0])) * rng.normal(size=2000)).astype(np.float32)
model = jaxbm.MLP((1, 32, 32, 1), activation="tanh")


def fit_quantile(q):
    """A whole training run, as a function of the quantile: `q` may be traced, since the loss closes over it."""

    def pinball(logits, labels):
        above = labels - logits
        return jnp.maximum(q * above, (q - 1) * above)

    result = jaxbm.fit(
        jax.random.key(0), model, x, y, loss=pinball, optimizer=jaxbm.adam(3e-3), epochs=30, implementation="xla"
    )
    return result.params, result.history["loss"]


quantiles = jnp.array([0.05, 0.5, 0.95])
params, losses = jax.vmap(fit_quantile)(quantiles)  # three training runs in one compiled call
curves = jax.vmap(model.apply, (0, None))(params, x)[..., 0]
for q, curve, loss in zip(quantiles, curves, losses, strict=True):
    print(f"quantile {q:.2f}: {np.mean(y <= curve):.3f} of the labels lie below, last loss {loss[-1]:.4f}")
