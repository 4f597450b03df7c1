"""Models given by two functions, of other libraries or of one's own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxbm

rng = np.random.default_rng(0)
X = rng.normal(size=(60, 5)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.float32)
KEY = jax.random.key(0)
OPTIONS = {"loss": "sigmoid_binary_cross_entropy", "epochs": 2, "batch_size": 16}


def weights(key):
    return {"w": jax.random.normal(key, (5, 1)) * 0.1}


def logits(params, x):
    return x @ params["w"]


@pytest.mark.parametrize(
    ("what", "match"),
    [
        (jnp.zeros((), jnp.int32), r"init_function: expected arrays .* got an array of int32 at \['more'\]"),
        (jnp.zeros(2, bool), r"got an array of bool at \['more'\]; what isn't trained"),
        (jax.random.key(0), r"got an array of key<fry> at \['more'\]"),
        (jax.nn.relu, r"init_function: .* got custom_jvp at \['more'\]"),
        ("text", r"init_function: .* at \['more'\]"),
    ],
)
def test_parameters_that_cannot_be_trained_are_told_with_their_place(what, match):
    model = jaxbm.FunctionModel(lambda key: weights(key) | {"more": what}, logits, (5,), 1)
    for train in (jaxbm.fit, lambda *args, **options: jaxbm.fit_members(*args, members=2, **options)):
        with pytest.raises(TypeError, match=match):
            train(KEY, model, X, Y, **OPTIONS)


def test_numbers_are_parameters():
    model = jaxbm.FunctionModel(lambda key: weights(key) | {"b": 0.5}, lambda p, x: logits(p, x) + p["b"], (5,), 1)
    assert jaxbm.fit(KEY, model, X, Y, **OPTIONS).params["b"] != 0.5


@pytest.mark.parametrize("implementation", [None, "xla"])
def test_parameters_may_be_complex(implementation):
    model = jaxbm.FunctionModel(
        lambda key: weights(key) | {"phase": jnp.ones((5, 1), jnp.complex64)},
        lambda params, x: logits(params, x) + x @ params["phase"].imag, (5,), 1,
    )  # fmt: skip
    params = jaxbm.fit(KEY, model, X, Y, implementation=implementation, **OPTIONS).params
    assert params["phase"].dtype == jnp.complex64
    assert np.abs(params["phase"].imag).min() > 0


def test_logits_with_something_besides():
    """As a function gives them that also tells the state which it would change."""
    model = jaxbm.FunctionModel(weights, lambda params, x: (logits(params, x), {}), (5,), 1)
    with pytest.raises(TypeError, match="apply_function: expected an array of logits, got tuple; what isn't trained"):
        jaxbm.fit(KEY, model, X, Y, **OPTIONS)


def test_functions_are_not_saved(tmp_path):
    model = jaxbm.FunctionModel(weights, logits, (5,), 1)
    with pytest.raises(TypeError, match=r"got a FunctionModel, whose functions .* a class under .*register"):
        jaxbm.save(tmp_path, model, model.init(KEY))


def of_linen():
    nn = pytest.importorskip("flax.linen")
    net = nn.Sequential([nn.Dense(8), nn.gelu, nn.LayerNorm(), nn.Dense(1)])
    return jaxbm.FunctionModel(lambda key: net.init(key, jnp.zeros((1, 5))), net.apply, (5,), 1)


def of_nnx():
    nnx = pytest.importorskip("flax.nnx")

    def make(rngs):
        return nnx.Sequential(nnx.Linear(5, 8, rngs=rngs), nnx.gelu, nnx.Linear(8, 1, rngs=rngs))

    graph, _, rest = nnx.split(make(nnx.Rngs(0)), nnx.Param, ...)
    return jaxbm.FunctionModel(
        lambda key: nnx.state(make(nnx.Rngs(key)), nnx.Param), lambda p, x: nnx.merge(graph, p, rest)(x), (5,), 1
    )


def of_equinox():
    eqx = pytest.importorskip("equinox")

    def make(key):
        return eqx.nn.MLP(5, 1, 8, 2, key=key)

    _, static = eqx.partition(make(KEY), eqx.is_inexact_array)
    return jaxbm.FunctionModel(
        lambda key: eqx.filter(make(key), eqx.is_inexact_array),
        lambda p, x: jax.vmap(eqx.combine(p, static))(x),
        (5,),
        1,
    )


@pytest.mark.promotes  # other libraries' own arithmetic
@pytest.mark.parametrize("make", [of_linen, of_nnx, of_equinox])
def test_other_libraries_train_natively_like_by_xla_and_member_by_member(make):
    model = make()
    one = jaxbm.fit(KEY, model, X, Y, implementation="program", **OPTIONS)
    other = jaxbm.fit(KEY, model, X, Y, implementation="xla", **OPTIONS)
    for a, b in zip(*map(jax.tree.leaves, (one.params, other.params)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    found = jaxbm.evaluate(model, one.params, X, Y, loss=OPTIONS["loss"])["loss"]
    assert np.isfinite(found)
    assert jaxbm.predict(model, one.params, X).shape == (60, 1)
    keys = jax.random.split(KEY, 3)
    many = jaxbm.fit_members(keys, model, X, Y, implementation="program", **OPTIONS)
    alone = jaxbm.fit(keys[1], model, X, Y, implementation="program", **OPTIONS)
    for a, b in zip(*map(jax.tree.leaves, (many.member(1).params, alone.params)), strict=True):
        np.testing.assert_array_equal(a, b)


def centred(params, x):
    return logits(params, (x - x.mean(axis=0)) * jax.lax.rsqrt(x.var(axis=0) + 1e-5))


def noisy(params, x):
    return logits(params, jnp.where(jax.random.bernoulli(KEY, 0.5, x.shape), x, 0))


def of_batch_norm(mode):
    eqx = pytest.importorskip("equinox")

    def make(key):
        layers = [eqx.nn.BatchNorm(5, "rows", mode=mode), eqx.nn.Linear(5, 1, key=key)]
        return eqx.nn.make_with_state(eqx.nn.Sequential)(layers)

    module, state = make(KEY)
    _, static = eqx.partition(module, eqx.is_inexact_array)

    def apply(params, x):
        over_rows = jax.vmap(eqx.combine(params, static), axis_name="rows", in_axes=(0, None), out_axes=(0, None))
        return over_rows(x, state)[0]

    return jaxbm.FunctionModel(lambda key: eqx.filter(make(key)[0], eqx.is_inexact_array), apply, (5,), 1)


def traced(model):
    jax.eval_shape(lambda key: jaxbm.fit(key, model, X, Y, **OPTIONS).history, KEY)


@pytest.mark.promotes
@pytest.mark.parametrize("make", [
    lambda: jaxbm.FunctionModel(weights, centred, (5,), 1),
    lambda: jaxbm.FunctionModel(weights, lambda p, x: logits(p, jax.nn.softmax(x @ x.T) @ x), (5,), 1),
    lambda: of_batch_norm("batch"), lambda: of_batch_norm("ema"),
])  # fmt: skip
def test_outputs_that_depend_on_other_rows_are_warned_of_once(make):
    model = make()
    with pytest.warns(UserWarning, match="one row each, got some that depend on other rows .* batch normalization"):
        traced(model)
    traced(model)  # where warnings are errors


def test_random_numbers_of_a_constant_key_are_warned_of():
    with pytest.warns(UserWarning, match="a function of parameters and x, got one that draws random numbers"):
        traced(jaxbm.FunctionModel(weights, noisy, (5,), 1))


@pytest.mark.parametrize("apply", [
    lambda p, x: logits(p, x - x.mean(axis=1, keepdims=True)),
    lambda p, x: jax.vmap(lambda row: logits(p, row * jax.nn.softmax(row)))(x),
    lambda p, x: jax.vmap(jax.grad(lambda row: jnp.tanh(logits(p, row)).sum()))(x)[:, :1],
    lambda p, x: logits(p, jnp.einsum("nij,njk->nik", x[:, :, None], x[:, None, :]).mean(axis=2)),
    lambda p, x: logits(p, jnp.concatenate([x[:, :2], jnp.sort(x[:, 2:], axis=1)], axis=1).reshape(-1, 1, 5)[:, 0]),
    lambda p, x: logits(p, jax.nn.standardize(x.T, axis=0).T),
])  # fmt: skip
def test_what_each_row_does_by_itself_is_not_warned_of(apply):
    traced(jaxbm.FunctionModel(weights, apply, (5,), 1))


@pytest.mark.promotes
def test_running_averages_are_no_parameters():
    nn, nnx = pytest.importorskip("flax.linen"), pytest.importorskip("flax.nnx")
    norm = nn.BatchNorm(use_running_average=True)
    model = jaxbm.FunctionModel(lambda key: norm.init(key, X), lambda p, x: norm.apply(p, x)[:, :1], (5,), 1)
    with pytest.raises(TypeError, match="got Flax's collection 'batch_stats' beside 'params', which gradients would"):
        jaxbm.fit(KEY, model, X, Y, **OPTIONS)
    averages = lambda key: nnx.state(nnx.BatchNorm(5, rngs=nnx.Rngs(key)), nnx.Any(nnx.Param, nnx.BatchStat))  # noqa: E731
    with pytest.raises(TypeError, match="expected parameters alone, got a BatchStat at"):
        jaxbm.fit(KEY, jaxbm.FunctionModel(averages, logits, (5,), 1), X, Y, **OPTIONS)
    eqx = pytest.importorskip("equinox")
    both = lambda key: eqx.filter(eqx.nn.make_with_state(eqx.nn.BatchNorm)(5, "n", mode="ema"), eqx.is_inexact_array)  # noqa: E731
    with pytest.raises(TypeError, match="expected parameters alone, got a State at"):
        jaxbm.fit(KEY, jaxbm.FunctionModel(both, logits, (5,), 1), X, Y, **OPTIONS)


@pytest.mark.parametrize("labels", [lambda y: y, lambda y: {"y": y}])
def test_one_output_may_come_without_an_axis(labels):
    def flat(params, x):
        return (x @ params["w"])[:, 0]

    def loss(outputs, y):
        y = y["y"] if isinstance(y, dict) else y
        assert outputs.shape == y.shape
        return jnp.square(outputs - y)

    model = jaxbm.FunctionModel(weights, flat, (5,), 1)
    options = OPTIONS | {"loss": loss, "implementation": "xla"}
    many = jaxbm.fit_members(KEY, model, X, labels(Y), members=2, **options)
    params = many.member(0).params
    found = jaxbm.predict(model, params, X)
    assert found.shape == (60, 1)
    np.testing.assert_allclose(found, X @ params["w"], rtol=1e-5, atol=1e-6)
    measured = jaxbm.evaluate(model, params, X, labels(Y), loss=loss)
    np.testing.assert_allclose(measured["loss"], np.square(found[:, 0] - Y).mean(), rtol=1e-5)
    assert jaxbm.Ensemble.of(many).logits(X).shape == (2, 60, 1)
    if labels(Y) is Y:
        folds = jaxbm.cross_validate(KEY, model, X, Y, folds=2, **options)
        assert folds.predictions.shape == (1, 60, 1)
        groups = np.arange(60) % 2
        assert jaxbm.fit_groups(KEY, model, X, Y, groups, **options).predict(X, groups).shape == (60, 1)


def test_outputs_of_more_axes_are_predicted_and_others_than_told_are_named():
    def init(key):
        return {"w": jnp.ones((5, 6))}

    words = jaxbm.FunctionModel(init, lambda p, x: (x @ p["w"]).reshape(-1, 2, 3), (5,), 3)
    assert jaxbm.predict(words, init(KEY), X).shape == (60, 2, 3)
    for apply, shape in ((lambda p, x: x @ p["w"], r"\[512, 6\]"), (lambda p, x: (x @ p["w"]).sum(), r"\[\]")):
        model = jaxbm.FunctionModel(init, apply, (5,), 4)
        with pytest.raises(ValueError, match=r"model: expected outputs \[512, 4\] of FunctionModel .*got " + shape):
            jaxbm.predict(model, init(KEY), X)


def test_integers_of_the_host_are_looked_at_without_a_warning(recwarn):
    def embed(params, x):
        return params["e"][x].mean(axis=1)

    model = jaxbm.FunctionModel(lambda key: {"e": jax.random.normal(key, (9, 1))}, embed, (3,), 1)
    words = np.random.default_rng(1).integers(0, 9, size=(60, 3))
    assert words.dtype == np.int64
    jaxbm.fit(KEY, model, words, Y, loss="squared_error", epochs=1, batch_size=16, implementation="xla")
    assert not [str(warning.message) for warning in recwarn if "int64" in str(warning.message)]
