"""A bagged ensemble of different widths, thinned out and calibrated on rows held back, against its best member."""

import jax
import numpy as np

import jaxbm
from jaxbm import table

frame, target = table.demo("digits")
rest, test = table.split(frame, target, seed=0)
train, held_out = table.split(rest, target, seed=1)
prep = table.prepare(train, target)
x, y = prep.features(train), prep.labels(train)
x_held, y_held = prep.features(held_out), prep.labels(held_out)
x_test, y_test = prep.features(test), prep.labels(test)

models = [jaxbm.MLP((x.shape[1], width, 10)) for width in (16, 32, 48, 64) * 4]
many = jaxbm.fit_members(
    jax.random.key(0), models, x, y, members=16, loss="softmax_cross_entropy_with_integer_labels", bootstrap=True,
    epochs=20, optimizer=jaxbm.adam(3e-3), validation_data=(x_held, y_held), patience=5,
)  # fmt: skip
whole = jaxbm.Ensemble.of(many)
chosen = whole.selected(x_held, y_held).calibrated(x_held, y_held)


def log_loss(p):
    return -np.mean(np.log(p[np.arange(len(y_test)), y_test]))


best = many.best
alone = jaxbm.predict(many.model_of(best), many.member(best).params, x_test)
p = {
    f"member {best} alone": np.asarray(jax.nn.softmax(alone)),
    f"all {whole.members}": whole.probabilities(x_test),
    f"{chosen.members} chosen, calibrated (temperature {chosen.temperature:.2f})": chosen.probabilities(x_test),
}
for name, values in p.items():
    print(f"{name}: log loss {log_loss(values):.4f}, accuracy {np.mean(values.argmax(axis=1) == y_test):.3f}")
