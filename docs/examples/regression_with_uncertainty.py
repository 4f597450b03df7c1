"""A regression that says how sure it is: an ensemble's spread, made so wide that it covers what it says."""

import jax
import numpy as np

import jaxbm
from jaxbm import table

frame, target = table.demo("diabetes")
rest, test = table.split(frame, target, seed=0)
train, held_out = table.split(rest, target, seed=1)
prep = table.prepare(train, target)
x = {name: prep.features(part) for name, part in (("train", train), ("held out", held_out), ("test", test))}
true = {name: part[target].to_numpy(float) for name, part in (("held out", held_out), ("test", test))}

many = jaxbm.fit_members(
    jax.random.key(0), jaxbm.MLP((x["train"].shape[1], 32, 1)), x["train"], prep.labels(train),
    members=32, bootstrap=True, loss="squared_error", epochs=30, optimizer=jaxbm.adam(3e-3), l2=1e-3,
)  # fmt: skip
ensemble = jaxbm.Ensemble.of(many)


def mean_and_deviation(rows):
    """In the target's own units."""
    return prep.unscale(ensemble.mean(rows)[:, 0]), ensemble.spread(rows)[:, 0] * prep.target_scale


# The members' spread knows nothing of the noise in the labels. On held-out rows a constant is added to it, and the
# whole is scaled, so that nine in ten of them lie inside (split conformal prediction).
noise = np.std(true["held out"] - mean_and_deviation(x["held out"])[0])
middle, deviation = mean_and_deviation(x["held out"])
ratio = np.abs(true["held out"] - middle) / np.hypot(deviation, noise)
factor = np.quantile(ratio, min(1.0, 0.9 * (1 + 1 / len(ratio))), method="higher")

middle, deviation = mean_and_deviation(x["test"])
half = factor * np.hypot(deviation, noise)
for k in range(5):
    print(f"true {true['test'][k]:5.0f}   predicted {middle[k]:5.0f}, 90% within {middle[k] - half[k]:4.0f} to "
          f"{middle[k] + half[k]:4.0f}")  # fmt: skip
covered = np.mean(np.abs(true["test"] - middle) <= half)
print(f"{covered:.0%} of the test rows lie inside; mean width {2 * half.mean():.0f}")
