"""From a table to a saved classifier: read, split, prepare, train, measure, report."""

import tempfile

import jax

import jaxbm
from jaxbm import table

frame, target = table.demo("breast_cancer")  # or table.read("data.csv"), "label"
train, test = table.split(frame, target, seed=0)
prep = table.prepare(train, target)
print(prep.summary())

x, y = prep.features(train), prep.labels(train)
x_test, y_test = prep.features(test), prep.labels(test)
model = jaxbm.MLP((x.shape[1], 64, 32, prep.n_outputs))
loss = "sigmoid_binary_cross_entropy"
result = jaxbm.fit(
    jax.random.key(0), model, x, y, loss=loss, epochs=50, validation_split=0.2, patience=5, metrics=["accuracy"]
)
print(f"stopped after {int(result.epochs_run)} epochs, the best was epoch {int(result.best_epoch) + 1}")
print(jaxbm.evaluate(model, result.params, x_test, y_test, loss=loss, metrics=["accuracy", "f1", "roc_auc"]))

# Which columns it goes by: how much accuracy is lost when a column's values change places between rows.
saved = tempfile.mkdtemp()
jaxbm.save(saved, model, result.params, preparation=prep, metadata={"loss": loss})
found = jaxbm.understand.permutation_importance(jax.random.key(1), jaxbm.load(saved), test, repeats=10)
print(found.table().head())

path = jaxbm.report.html(
    f"{saved}/report.html", result, model=model, preparation=prep, data={"training": (x, y), "test": (x_test, y_test)}
)
print("report in", path)
