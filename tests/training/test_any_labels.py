"""Labels and features of any form: pytrees of arrays that are shuffled, split, listed and measured together."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxbm
from jaxbm import losses
from jaxbm.members.fit_members import prepare
from jaxbm.run.training import Training

KEY = jax.random.key(0)
RNG = np.random.default_rng(0)
N = 24
X = RNG.normal(size=(N, 3)).astype(np.float32)
ACTIONS = RNG.integers(0, 3, N)
ADVANTAGES = RNG.normal(size=N).astype(np.float32)
Y = {"action": ACTIONS, "advantage": ADVANTAGES, "legal": RNG.random((N, 3)) < 0.9}
POLICY = jaxbm.MLP((3, 4, 3))
CLASSES = "softmax_cross_entropy_with_integer_labels"
TABLE = {"word": RNG.integers(0, 5, (N, 2)), "age": RNG.normal(size=N).astype(np.float32)}


def policy_gradient(logits, labels):
    logits = jnp.where(labels["legal"], logits, -10.0)
    log_p = jax.nn.log_softmax(logits)[jnp.arange(logits.shape[0]), labels["action"]]
    return -log_p * labels["advantage"]


def embed(params, x):
    words = params["words"][x["word"]].reshape(x["word"].shape[0], -1)
    return jnp.concatenate([words, x["age"][:, None]], axis=1) @ params["w"]


def fresh(key):
    return {"words": jax.random.normal(key, (5, 2)), "w": jnp.ones((5, 1)) / 5}


EMBEDDING = jaxbm.FunctionModel(fresh, embed, {"word": (2,), "age": ()}, 1)


def packed(logits, labels):
    """The same loss of labels in one array."""
    legal = labels[:, 2:] > 0.5
    return policy_gradient(logits, {"action": labels[:, 0].astype(int), "advantage": labels[:, 1], "legal": legal})


PACKED = np.concatenate([ACTIONS[:, None], ADVANTAGES[:, None], Y["legal"]], axis=1).astype(np.float32)
OPTIONS = {"epochs": 3, "batch_size": 5, "sample_weight": np.linspace(0, 1, N)}


def equal(a, b, rtol=1e-5):
    for name in a.history:
        np.testing.assert_allclose(a.history[name], b.history[name], rtol=rtol, atol=1e-6, err_msg=name)


def test_a_pytree_of_labels_trains_as_one_array_of_them():
    one = jaxbm.fit(KEY, POLICY, X, PACKED, loss=packed, validation_split=0.25, **OPTIONS)
    tree = jaxbm.fit(KEY, POLICY, X, Y, loss=policy_gradient, validation_split=0.25, **OPTIONS)
    equal(tree, one)
    part = jax.tree.map(lambda a: a[18:], Y)
    found = jaxbm.evaluate(
        POLICY, tree.params, X[18:], part, loss=policy_gradient, sample_weight=OPTIONS["sample_weight"][18:],
        metrics={"mean": lambda logits, labels, weights: labels["advantage"].mean()},
    )  # fmt: skip
    assert found["loss"] == pytest.approx(float(tree.history["val_loss"][-1]), rel=1e-5)
    assert found["mean"] == pytest.approx(ADVANTAGES[18:].mean(), rel=1e-5)


def test_members_share_some_arrays_of_a_pytree_and_have_others_and_rows_of_their_own():
    lists = [np.arange(15), np.arange(9, 24)]
    own = Y | {"advantage": np.stack([ADVANTAGES, 2 * ADVANTAGES])}
    many = jaxbm.fit_members(KEY, POLICY, X, own, members=2, loss=policy_gradient, rows=lists, **OPTIONS)
    doubled, second = Y | {"advantage": 2 * ADVANTAGES}, jax.random.fold_in(KEY, 1)
    equal(many.member(1), jaxbm.fit(second, POLICY, X, doubled, loss=policy_gradient, rows=lists[1], **OPTIONS))


def test_a_sweep_and_groups_take_pytrees_of_labels():
    points = {"learning_rate": [1e-3, 0.3]}
    options = {"loss": policy_gradient, "epochs": 2, "batch_size": 8}
    found = jaxbm.sweep(points, KEY, POLICY, X, Y, folds=2, refit=False, **options)
    one = jaxbm.cross_validate(KEY, POLICY, X, Y, folds=2, optimizer=jaxbm.adam(0.3), **options)
    assert np.isfinite(found.table()["loss"]).all()
    assert np.isfinite(one.mean()["loss"])
    groups = jaxbm.fit_groups(KEY, POLICY, X, Y, np.arange(N) % 2, **options)
    packed_ones = jaxbm.fit_groups(KEY, POLICY, X, PACKED, np.arange(N) % 2, **options | {"loss": packed})
    equal(groups.member(1), packed_ones.member(1))


def test_explain_reads_the_form_of_labels_and_the_length_of_a_run():
    way = "program" if jaxbm.kernels.status()["program"][:2] == "on" else "xla"
    told = jaxbm.kernels.explain(POLICY, X, Y, loss=policy_gradient)
    assert told.implementation == way
    shapes = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, jax.dtypes.canonicalize_dtype(a.dtype)), (X, Y))
    assert jaxbm.kernels.explain(POLICY, *shapes, loss=policy_gradient) == told
    by_name = jaxbm.kernels.explain(POLICY, X.tolist(), ACTIONS.tolist(), loss=CLASSES)
    assert by_name.implementation == jaxbm.kernels.explain(POLICY, loss=CLASSES).implementation
    with pytest.raises(ValueError, match="y: expected rows like the other's, or neither x nor y, got None"):
        jaxbm.kernels.explain(POLICY, X, loss=policy_gradient)
    with pytest.raises(ValueError, match=r"y.advantage: expected shape \[24, ...\] like x"):
        jaxbm.kernels.explain(POLICY, X, Y | {"advantage": ADVANTAGES[1:]}, loss=policy_gradient)


def test_members_get_shared_labels_as_fit_does():
    def loss(logits, labels):
        return jnp.square(logits[:, :, None] - labels)

    labels = np.ones((N, 2, 1), np.float32)
    setup = prepare(KEY, jaxbm.MLP((3, 4, 1)), X, labels, Training(loss=loss, epochs=1), 2)
    assert setup.shared.data.y.shape == labels.shape


def test_features_of_any_form_with_integers_for_embeddings():
    y = X[:, 0]
    judged = jaxbm.cross_validate(KEY, EMBEDDING, TABLE, y, loss="squared_error", folds=2, epochs=1)
    assert np.isfinite(judged.predictions).all()
    params = judged.members.member(1).params
    found = jaxbm.evaluate(EMBEDDING, params, TABLE, y, loss="squared_error", metrics=["mse"])
    outputs = np.asarray(embed(params, TABLE))[:, 0]
    assert found["loss"] == pytest.approx(np.square(outputs - y).mean(), rel=1e-5)
    np.testing.assert_allclose(jaxbm.Ensemble.of(judged.members).logits(TABLE)[1, :, 0], outputs, rtol=1e-5)
    of_any_form = jaxbm.FunctionModel(fresh, embed, None, 1)
    shop = np.arange(N) % 2
    groups = jaxbm.fit_groups(KEY, of_any_form, TABLE, y, shop, loss="squared_error", epochs=1)
    want = embed(groups.member(1).params, TABLE)
    np.testing.assert_allclose(groups.predict(TABLE, shop)[1::2], want[1::2], rtol=1e-5)


def test_rows_compared_with_each_other_heed_weights_and_what_only_fills_a_batch():
    labels = np.stack([RNG.integers(1, 9, N), RNG.random(N) < 0.6], axis=1).astype(np.float32)
    weight, risks = RNG.integers(0, 3, N).astype(np.float32), X[:, 0]

    @jax.jit
    @jax.value_and_grad
    def cox(risks):
        return (weight * losses.cox_loss(risks, labels, weights=weight)).sum()

    def alone(i):  # a row of weight 2 is as two, one of weight 0 isn't there
        there = weight * np.exp(risks.astype(float)) * (labels[:, 0] >= labels[i, 0])
        return weight[i] * labels[i, 1] * (np.log(there.sum() or 1) - risks[i])

    value, grad = cox(risks)
    assert float(value) == pytest.approx(sum(alone(i) for i in range(N)), rel=1e-5)
    assert np.isfinite(grad).all()
    places, groups = X[:, :2], RNG.integers(0, 3, N)
    found = jax.jit(lambda x: losses.triplet_hard_loss(x, groups, 0.5, weights=weight))(places)
    distances = np.linalg.norm(places[:, None] - places[None], axis=-1)
    mine, there = groups[:, None] == groups[None], weight > 0
    far = np.where(mine & there & ~np.eye(N, dtype=bool), distances, 0).max(axis=1)
    near = np.where(~mine & there, distances, np.inf).min(axis=1)
    np.testing.assert_allclose(found, np.maximum(far - near + 0.5, 0), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"y": Y | {"advantage": ADVANTAGES[1:]}}, r"y.advantage: expected shape \[24, ...\] like x, got"),
        ({"y": Y, "loss": "squared_error"}, "y: expected one array for loss='squared_error', got a dict"),
        ({"y": Y, "metrics": ["mae"]}, "y: expected one array for metric 'mae', got a dict of arrays"),
        ({"y": Y, "class_weight": "balanced"}, "class_weight: expected labels that are one array"),
        ({"y": Y | {"advantage": ADVANTAGES * np.nan}}, "y.advantage: expected finite values"),
        ({"x": {"a": X}}, r"x: expected shape \[n, 3\] for \(3, 4, 3\), got a dict of arrays"),
        ({"loss": lambda logits, labels: logits.mean()}, r"loss: expected a value for each row, \[5\] or"),
        ({"loss": lambda logits, labels: 1.0}, r"loss: expected a value for each row, .* got a float"),
        ({"model": EMBEDDING}, r"x: expected arrays \{age: \[n\], word: \[n, 2\]\}"),
        ({"model": EMBEDDING, "x": TABLE | {"word": TABLE["age"]}}, r"x.word: expected shape \[n, 2\]"),
        ({"y": -ADVANTAGES**2, "loss": "poisson_deviance", "model": jaxbm.MLP((3, 1))},
         "y: expected labels that are not negative for loss='poisson_deviance', got -"),
        ({"y": ADVANTAGES**2 * 0, "loss": "gamma_deviance", "model": jaxbm.MLP((3, 1))},
         "y: expected labels that are positive for loss='gamma_deviance', got 0"),
        ({"y": ACTIONS + 2, "loss": "ordinal_cross_entropy"}, "y: expected labels 0 to 3 for loss='ordinal"),
        ({"y": ADVANTAGES, "loss": "pinball_loss(quantiles=(0.1, 1.2, 0.9))"}, "quantiles: expected 0 to 1"),
        ({"y": np.stack([ADVANTAGES, ADVANTAGES * 0], axis=1), "loss": "cox_loss", "model": jaxbm.MLP((3, 1))},
         "y: expected a row whose event was seen, 1 in the second column, for loss='cox_loss', got none in 24 rows"),
        ({"y": ACTIONS * 0, "loss": "triplet_hard_loss"}, "y: expected two rows of one group and one of another"),
        ({"y": np.arange(24), "loss": "triplet_hard_loss"}, "y: expected two rows of one group and one of another"),
        ({"y": ADVANTAGES, "loss": "pinball_loss(quantiles=())"}, "quantiles: expected a finite number or several"),
        ({"y": ADVANTAGES, "loss": "gaussian_nll"}, "loss: 'gaussian_nll' expects 2 outputs for each label"),
        ({"y": ADVANTAGES, "loss": "cox_loss", "model": jaxbm.MLP((3, 1))}, r"y: expected shape \[n, 2\] for"),
        ({"y": ADVANTAGES, "loss": losses.cox_loss}, "loss: 'cox_loss' expects one output"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(change, match):
    given = {"x": X, "y": Y, "model": POLICY, "loss": policy_gradient} | OPTIONS | change
    model, x, y = (given.pop(name) for name in ("model", "x", "y"))
    with pytest.raises(ValueError, match=match):
        jaxbm.fit(KEY, model, x, y, **given)
    if "metrics" not in given:
        with pytest.raises(ValueError, match=match):
            jaxbm.fit_members(KEY, model, x, y, members=2, **given)


NET = jaxbm.MLP((1, 4, 1), activation="sin", weight_init="siren")


def residual(params, t):
    """`u'' + u` of `u = t + t**2 * net(t)`."""

    def u(t):
        return t + t**2 * NET.apply(params, t[None])[0]

    return jax.vmap(lambda one: jax.grad(jax.grad(u))(one) + u(one))(t[:, 0])[:, None]


@pytest.mark.skipif(jaxbm.kernels.status()["program"][:2] != "on", reason="native functions need llvmlite")
@pytest.mark.parametrize(
    ("model", "x", "y", "loss"),
    [
        (POLICY, X, Y, policy_gradient),
        (
            jaxbm.FunctionModel(NET.init, residual, (1,), 1),
            np.linspace(0, 1, N)[:, None],
            np.zeros(N),
            "squared_error",
        ),
    ],
    ids=["policy", "equation"],
)
def test_policies_and_equations_train_the_same_as_one_native_function(model, x, y, loss):
    options = {"loss": loss, "epochs": 3, "batch_size": 8, "validation_split": 0.25}
    one, other = (jaxbm.fit(KEY, model, x, y, implementation=name, **options) for name in ("program", "xla"))
    for name in one.history:
        np.testing.assert_allclose(one.history[name], other.history[name], rtol=2e-5, err_msg=name)
    for a, b in zip(*map(jax.tree.leaves, (one.params, other.params)), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-6)
