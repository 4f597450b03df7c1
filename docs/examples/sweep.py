"""A sweep with successive halving over folds and seeds: a table of trials, and the best model trained anew."""

import jax

import jaxbm
from jaxbm import space, table

frame, target = table.demo("wine")
train, test = table.split(frame, target, seed=0)
prep = table.prepare(train, target)
x, y = prep.features(train), prep.labels(train)
loss = "softmax_cross_entropy_with_integer_labels"

found = jaxbm.sweep(
    {
        "learning_rate": space.LogUniform(1e-4, 1e-1),
        "l2": [0.0, 1e-4, 1e-3],
        "dropout": space.Uniform(0.0, 0.3),
        "hidden": [(16,), (32,)],
    },
    jax.random.key(0),
    jaxbm.MLP((x.shape[1], 16, 3)),
    x,
    y,
    loss=loss,
    trials=12,
    method="sobol",
    folds=3,
    seeds=2,
    halving=2,
    epochs=8,
)
print(found.table().head())
print("best:", found.best_values)
print(
    jaxbm.evaluate(
        found.model, found.refit.params, prep.features(test), prep.labels(test), loss=loss, metrics=["accuracy"]
    )
)
