"""A model for each shop, all trained in one call, and a pooled one for shops that are small or new."""

import jax
import numpy as np

import jaxbm

rng = np.random.default_rng(0)
shops = np.array([f"shop {i}" for i in range(200)])
slopes = dict(zip(shops, rng.normal(size=200), strict=True))  # what each shop does differently
groups = rng.choice(shops, size=20_000, p=rng.dirichlet(np.ones(200)))
x = rng.normal(size=(20_000, 4)).astype(np.float32)
y = np.array([slopes[g] for g in groups]) * x[:, 0] + x[:, 1] + 0.1 * rng.normal(size=20_000)
y = y.astype(np.float32)
train = np.arange(20_000) < 16_000

models = jaxbm.fit_groups(
    jax.random.key(0), jaxbm.MLP((4, 16, 1)), x[train], y[train], groups[train], loss="squared_error", min_rows=30,
    pooled=True, optimizer=jaxbm.adam(1e-2), epochs=20,
)  # fmt: skip
print(f"{len(models.labels)} shops with their own model, {len(models.too_small)} too small for one")
print(models.table().head())


def error(predicted):
    return np.mean(np.abs(predicted - y[~train]))


own = models.predict(x[~train], groups[~train])[:, 0]
pooled = jaxbm.predict(models.model, models.pooled.params, x[~train])[:, 0]
print(f"mean absolute error: {error(own):.3f} by shop, {error(pooled):.3f} with one model for all")
print("a shop never seen:", models.predict(x[:2], np.array(["new", "new"])).ravel())
