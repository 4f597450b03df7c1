import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from support.compiling import compilations

import jaxbm
from jaxbm import losses, shuffle
from jaxbm.core import counter
from jaxbm.losses import LOSSES
from jaxbm.run import loop
from jaxbm.run.contract import Data
from jaxbm.run.rows import training_rows
from jaxbm.run.training import Training

KEY = jax.random.key(0)
RNG = np.random.default_rng(0)
X = RNG.normal(size=(100, 4)).astype(np.float32)
Y = (X @ [1.0, -2.0, 0.5, 0.0] > 0).astype(np.float32)
C = RNG.integers(0, 3, 100)
MODEL = jaxbm.MLP((4, 8, 1))
BINARY = "sigmoid_binary_cross_entropy"


def fit(key=KEY, model=MODEL, x=X, y=Y, **options):
    return jaxbm.fit(key, model, x, y, **{"loss": BINARY, "epochs": 4, **options})


@pytest.mark.parametrize("implementation", [None, "xla"])
def test_more_rows_than_there_are_make_one_batch(implementation):
    whole = fit(batch_size=len(X), implementation=implementation)
    for size in (len(X) + 1, 2**31, 2**70):
        more = fit(batch_size=size, implementation=implementation)
        np.testing.assert_array_equal(more.history["loss"], whole.history["loss"])


def by_hand(epochs, batch, weight=None, x=X, y=Y, l2=0.0, clip=None, dropout=None):
    """The same run with Optax, one step at a time, in a Python loop."""
    n, params, optimizer = len(x), MODEL.init(KEY), optax.adam(1e-3)
    state, history, words = optimizer.init(params), [], counter.words(KEY)
    steps = -(-n // batch)
    for epoch in range(epochs):
        stream = counter.derive(counter.derive(words, counter.SHUFFLE), epoch)
        order = np.asarray(shuffle.permuted_position(stream, jnp.arange(n), n)).astype(int)
        total = count = 0.0
        for i in range(steps):
            rows = order[i * batch : (i + 1) * batch]
            w = np.ones(len(rows), np.float32) if weight is None else weight[rows]
            key = counter.derive(counter.derive(words, counter.DROPOUT), epoch * steps + i)

            def objective(p, rows=rows, w=w, key=key):
                logits = MODEL.apply(p, x[rows], dropout=dropout, key=key)[:, 0]
                values = (w * optax.sigmoid_binary_cross_entropy(logits, y[rows])).sum()
                return values / w.sum() + l2 * sum((layer.weight**2).sum() for layer in p), values

            grads, values = jax.grad(objective, has_aux=True)(params)
            if clip is not None:
                grads = optax.clip_by_global_norm(clip).update(grads, optax.EmptyState())[0]
            updates, state = optimizer.update(grads, state)
            params = optax.apply_updates(params, updates)
            total, count = total + float(values), count + w.sum()
        history.append(total / count)
    return params, history


@pytest.mark.promotes  # Optax does
@pytest.mark.parametrize(
    ("batch", "options", "hand"),
    [
        (20, {}, {}),
        (32, {}, {}),
        (1000, {}, {}),
        (32, {"sample_weight": np.linspace(0, 2, 100, dtype=np.float32)}, {"weight": np.linspace(0, 2, 100)}),
        (32, {"l2": 0.1, "clip_norm": 0.05}, {"l2": 0.1, "clip": 0.05}),
        (32, {"dropout": 0.3}, {"dropout": 0.3}),
        (32, {"optimizer": optax.adam(1e-3)}, {}),
    ],
)
def test_equals_a_loop_written_by_hand(batch, options, hand):
    result = fit(epochs=2, batch_size=batch, **options)
    params, history = by_hand(2, min(batch, 100), **hand)
    np.testing.assert_allclose(result.history["loss"], history, rtol=1e-4)
    for got, want in zip(jax.tree.leaves(result.params), jax.tree.leaves(params), strict=True):
        np.testing.assert_allclose(got, want, rtol=2e-3, atol=2e-5)


def test_validation_split_takes_the_last_rows():
    split = fit(validation_split=0.2, metrics=["accuracy"])
    given = fit(x=X[:80], y=Y[:80], validation_data=(X[80:], Y[80:]), metrics=["accuracy"])
    assert sorted(split.history) == ["accuracy", "loss", "val_accuracy", "val_loss"]
    for name, values in split.history.items():
        np.testing.assert_allclose(values, given.history[name], rtol=1e-5)
    after = jaxbm.evaluate(MODEL, split.params, X[80:], Y[80:], loss=BINARY, metrics=["accuracy"])
    assert after["loss"] == pytest.approx(float(split.history["val_loss"][-1]), rel=1e-5)
    assert after["accuracy"] == pytest.approx(float(split.history["val_accuracy"][-1]))


def test_early_stopping_restores_the_best_epoch():
    y = RNG.permutation(Y)
    result = fit(y=y, epochs=60, patience=3, validation_split=0.3, optimizer=jaxbm.adam(0.05))
    ran, best = int(result.epochs_run), int(result.best_epoch)
    history = np.asarray(result.history["val_loss"])
    assert ran == best + 4 < 60
    assert np.nanargmin(history) == best
    assert np.isnan(history[ran:]).all()
    assert np.isfinite(history[:ran]).all()
    value = jaxbm.evaluate(MODEL, result.params, X[70:], y[70:], loss=BINARY)["loss"]
    assert value == pytest.approx(history[best], rel=1e-5)


def test_a_given_start_goes_on():
    first = fit(epochs=2, shuffle=False)
    second = fit(epochs=2, shuffle=False, params=first.params, opt_state=first.opt_state)
    whole = fit(epochs=4, shuffle=False)
    np.testing.assert_allclose(second.history["loss"], whole.history["loss"][2:], rtol=1e-5)
    assert int(second.opt_state.count) == 16
    jax.block_until_ready(first.params[0].weight + 0)  # not donated away


def test_progress_leaves_the_callers_arrays_alone():
    first = fit(epochs=1)
    start = {"params": first.params, "opt_state": first.opt_state}
    copies = jax.tree.map(np.array, start)
    fit(epochs=3, progress=lambda *_: None, **start)  # donates its own state from chunk to chunk, never this one
    for kept, copy in zip(jax.tree.leaves(start), jax.tree.leaves(copies), strict=True):
        np.testing.assert_array_equal(kept, copy)


def test_class_weights():
    doubled = fit(class_weight={1: 3.0})
    weighted = fit(sample_weight=np.where(Y == 1, 3.0, 1.0))
    np.testing.assert_allclose(doubled.history["loss"], weighted.history["loss"], rtol=1e-6)
    counts = np.bincount(Y.astype(int))
    balanced = fit(class_weight="balanced")
    table = fit(class_weight=100 / (2 * counts))
    np.testing.assert_allclose(balanced.history["loss"], table.history["loss"], rtol=1e-6)


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_every_loss_trains(name):
    kinds = {"real": Y, "binary": Y, "sign": 2 * Y - 1, "class": C, "distribution": np.eye(3, dtype=np.float32)[C],
             "rank": C, "count": 2 * Y, "amount": Y + 0.5, "event": np.stack([np.exp(-X[:, 0]), Y], axis=1),
             "group": C}  # fmt: skip
    found = losses.known(name)
    outputs = {"class": 3, "distribution": 3, "rank": 2, "group": 2}.get(found.labels, found.outputs_per_label)
    labels = kinds[found.labels]
    if name == "multilabel_margin_loss":
        labels, outputs = (X[:, :2] > 0).astype(np.float32), 2
    model = jaxbm.MLP((4, 8, outputs))
    result = fit(model=model, y=labels, loss=name, epochs=8, optimizer=jaxbm.adam(0.01))
    assert result.history["loss"][-1] < result.history["loss"][0]


def test_own_loss_metrics_and_augmentation():
    result = fit(
        loss=lambda logits, labels: losses.squared_error(logits, labels) * 2,
        metrics={"largest": lambda logits, labels, weights: logits.max()},
        augment=jaxbm.augment.Compose((jaxbm.augment.GaussianNoise(0.1), jaxbm.augment.Mixup(0.2))),
    )
    assert np.isfinite(result.history["largest"]).all()
    assert result.history["loss"][-1] < result.history["loss"][0]


@pytest.mark.parametrize("shuffle", [True, False])
def test_a_batch_is_filled_up_for_augmentation_by_rows_of_the_epochs_start(shuffle):
    training = Training(loss=BINARY, epochs=1, batch_size=8, augment=jaxbm.augment.Mixup(0.2), shuffle=shuffle)
    task, data, *_ = training.build(MODEL, Data(jnp.zeros((12, 4)), jnp.zeros(12)))
    order, real = loop._order(task, training_rows(task, data), jnp.int32(0), counter.words(KEY), 16)
    assert sorted(order[:12].tolist()) == list(range(12))
    assert order[12:].tolist() == order[:4].tolist()
    assert real.tolist() == 12 * [True] + 4 * [False]


def test_jit_vmap_and_grad():
    alone = fit()
    jitted = jax.jit(lambda k, x, y: jaxbm.fit(k, MODEL, x, y, loss=BINARY, epochs=4))(KEY, X, Y)
    np.testing.assert_allclose(jitted.history["loss"], alone.history["loss"], rtol=1e-5)

    rates = jnp.asarray([1e-3, 1e-2])
    many = jax.vmap(lambda r: jaxbm.fit(KEY, MODEL, X, Y, loss=BINARY, epochs=4, optimizer=jaxbm.adam(r)))(rates)
    np.testing.assert_allclose(many.history["loss"][0], alone.history["loss"], rtol=1e-4)
    assert many.history["loss"][1, -1] < many.history["loss"][0, -1]

    def final(rate):
        options = {"loss": BINARY, "epochs": 2, "batch_size": 50, "optimizer": jaxbm.sgd(rate)}
        return jaxbm.fit(KEY, MODEL, X, Y, **options).history["loss"][-1]

    slope = jax.grad(final)(0.1)
    assert float(slope) == pytest.approx(float((final(0.11) - final(0.09)) / 0.02), rel=0.02)


def test_a_second_call_never_recompiles():
    fit(optimizer=jaxbm.adam(1e-3))
    (one, other), moved = jax.random.split(KEY), X + 1
    with compilations() as compiled:
        fit(key=one, optimizer=jaxbm.adam(2e-3))
        fit(key=other, x=moved)
    assert compiled == []


def test_progress_gives_the_same_result():
    seen = []
    plain = fit(epochs=30, patience=40, l2=1e-3)
    result = fit(epochs=30, patience=40, l2=1e-3, progress=lambda done, epochs, history: seen.append((done, epochs)))
    np.testing.assert_allclose(result.history["loss"], plain.history["loss"], rtol=1e-6)
    assert seen[0] == (1, 30)
    assert seen[-1] == (30, 30)
    assert len(seen) < 30
    for _ in range(2):  # the bar must be gone after an early stop too
        stopped = fit(epochs=200, patience=1, optimizer=jaxbm.adam(0.5), progress=True)
        assert int(stopped.epochs_run) < 200


def test_non_finite_loss_names_the_epoch_and_keeps_the_last_finite_state():
    with pytest.raises(jaxbm.NonFiniteError, match="in epoch 0") as caught:
        fit(loss="squared_error", optimizer=jaxbm.sgd(1e20), epochs=5)
    result = caught.value.result
    assert not bool(result.finite)
    assert int(result.epochs_run) == 1
    for got, want in zip(jax.tree.leaves(result.params), jax.tree.leaves(MODEL.init(KEY)), strict=True):
        np.testing.assert_array_equal(got, want)


def test_predict_in_blocks():
    params = MODEL.init(KEY)
    whole = MODEL.apply(params, X)
    for size in (1, 7, 99, 100, 1000):
        np.testing.assert_allclose(jaxbm.predict(MODEL, params, X, batch_size=size), whole, rtol=1e-5, atol=1e-6)
    assert jaxbm.predict(MODEL, params, X[:0]).shape == (0, 1)
    few = np.concatenate([jaxbm.predict(MODEL, params, X[i : i + 1]) for i in range(3)])
    np.testing.assert_allclose(few, whole[:3], rtol=1e-5, atol=1e-6)
    assert few.dtype == np.float32
    assert jaxbm.predict(MODEL, params, X[:8]).flags.writeable
    for rows in (X[:8], X[:9], X[:1].astype(float), X[:2].tolist()):
        np.testing.assert_allclose(jaxbm.predict(MODEL, params, rows), whole[: len(rows)], rtol=1e-5, atol=1e-6)
    for wrong in (params[:1], "params", [("a", "b"), ("c", "d")]):  # as of many rows, and of none
        told = set()
        for n in (1, 100, 0):
            with pytest.raises((TypeError, ValueError), match="params") as error:
                jaxbm.predict(MODEL, wrong, X[:n])
            told.add((error.type, str(error.value)))
        assert len(told) == 1


BAD_X = X.copy()
BAD_X[3, 2] = np.nan


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"x": BAD_X}, ValueError, r"x: expected finite values, got nan at \[3, 2\]"),
        ({"y": np.where(Y == 1, np.inf, Y)}, ValueError, "y: expected finite values, got inf"),
        ({"x": X[:, :3]}, ValueError, r"x: expected shape \[n, 4\]"),
        ({"x": X[:90]}, ValueError, r"y: expected shape \[90\]"),
        ({"x": X[:0], "y": Y[:0]}, ValueError, "at least one row"),
        ({"y": Y * 2}, ValueError, "labels 0 to 1 .*got 2.0"),
        ({"model": jaxbm.MLP((4, 3)), "y": Y}, ValueError, r"expected shape \[n, 3\]"),
        (
            {"model": jaxbm.MLP((4, 3)), "y": C + 1, "loss": "softmax_cross_entropy_with_integer_labels"},
            ValueError,
            "labels 0 to 2 .*got 3",
        ),
        (
            {"model": jaxbm.MLP((4, 3)), "y": C * 1.0, "loss": "softmax_cross_entropy_with_integer_labels"},
            ValueError,
            "expected integer labels",
        ),
        ({"loss": "squared_eror"}, ValueError, "did you mean 'squared_error'"),
        ({"metrics": ["acuracy"]}, ValueError, "did you mean 'accuracy'"),
        ({"implementation": "xlaa"}, ValueError, "did you mean 'xla'"),
        ({"implementation": "tpu"}, NotImplementedError, "holds no TPU kernel"),
        ({"epochs": 0}, ValueError, "epochs: expected at least 1, got 0"),
        ({"batch_size": -4}, ValueError, "batch_size: expected at least 1, got -4"),
        ({"batch_size": 2.5}, TypeError, "batch_size: expected an integer"),
        ({"optimizer": "adam"}, TypeError, "optimizer: expected one with init and update"),
        ({"dropout": 1.0}, ValueError, "dropout: expected 0"),
        ({"patience": 0}, ValueError, "patience: expected 1"),
        ({"validation_split": 1.5}, ValueError, "validation_split: expected 0.0 to 1.0"),
        ({"validation_split": 0.999}, ValueError, "leaves no row"),
        ({"validation_split": 0.1, "validation_data": (X, Y)}, ValueError, "validation_split: expected one way"),
        ({"sample_weight": np.ones((100, 1))}, ValueError, r"sample_weight: expected shape \[100\]"),
        ({"sample_weight": -np.ones(100)}, ValueError, "sample_weight: expected 0"),
        ({"class_weight": {7: 1.0}}, ValueError, r"class_weight: expected classes 0 to 1, got \[7\]"),
        ({"key": jnp.zeros(2)}, TypeError, "key: expected a JAX random key"),
    ],
)
def test_bad_input(options, error, match):
    with pytest.raises(error, match=match):
        fit(**options)
