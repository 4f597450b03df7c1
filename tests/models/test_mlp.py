import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxbm
from jaxbm.models.activations import ACTIVATIONS, activation
from jaxbm.models.initializers import INITIALIZERS
from jaxbm.models.protocol import shapes_of

KEY = jax.random.key(0)


def test_apply_is_the_textbook_formula():
    model = jaxbm.MLP((3, 5, 4, 2), activation=("tanh", "relu"), output_activation="sigmoid")
    params = model.init(KEY)
    x = np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32)
    (w0, b0), (w1, b1), (w2, b2) = jax.tree.map(np.asarray, params)
    h = np.maximum(np.tanh(x @ w0 + b0) @ w1 + b1, 0)
    np.testing.assert_allclose(model.apply(params, x), 1 / (1 + np.exp(-(h @ w2 + b2))), rtol=1e-5)


def test_any_function_is_an_activation():
    def cubic(x):
        return x**3

    model = jaxbm.MLP((2, 3, 1), activation=cubic)
    params, x = model.init(KEY), jnp.ones((4, 2))
    (w0, b0), (w1, b1) = params
    np.testing.assert_allclose(model.apply(params, x), (x @ w0 + b0) ** 3 @ w1 + b1, rtol=1e-5)
    assert "cubic" in model.summary()
    assert jaxbm.MLP((2, 3, 1), activation=jax.nn.relu) == jaxbm.MLP((2, 3, 1), activation="relu")
    assert jaxbm.kernels.explain(model, loss="squared_error").implementation != "cpu"
    with pytest.raises(TypeError, match="activation: expected names in a model that is described or saved, got"):
        model.describe()
    with pytest.raises(ValueError, match="model: expected activations by name for members that differ in widths"):
        model.padded([model, jaxbm.MLP((2, 4, 1), activation=cubic)])
    with pytest.raises(TypeError, match="activation: expected a name or a hashable function, got 3"):
        jaxbm.MLP((2, 3, 1), activation=(3,))


def test_every_elementwise_activation_of_jax_is_known_by_name():
    # Not of single numbers, or no activations: what combines units, makes arrays or computes attention.
    attention = {"dot_product_attention", "get_scaled_dot_general_config", "scaled_dot_general", "scaled_matmul"}
    rows = {"glu", "log_softmax", "logmeanexp", "logsumexp", "one_hot", "softmax", "standardize"}
    others = attention | rows | {"initializers", "log1mexp"}
    assert {name for name in dir(jax.nn) if name[0] != "_"} - others <= set(ACTIVATIONS)
    assert {"sin", "mish"} <= set(ACTIVATIONS)


def test_siren_keeps_its_waves_from_layer_to_layer():
    model = jaxbm.MLP((1, 512, 512, 512, 1), activation="sin", weight_init="siren")
    params = model.init(KEY)
    limits = [np.abs(layer.weight).max() for layer in params]
    np.testing.assert_allclose(limits, [30, np.sqrt(6 / 512), np.sqrt(6 / 512), np.sqrt(6 / 512) / 30], rtol=0.05)
    h = jnp.linspace(-1, 1, 256)[:, None]
    for layer in params[:-1]:
        before = h @ layer.weight + layer.bias
        h = jnp.sin(before)
        assert 0.6 < float(h.std()) < 0.8  # of arcsine's law: sqrt(1 / 2)
    assert 0.9 < float(before.std()) < 1.1


def test_leading_axes_and_transformations():
    model = jaxbm.MLP((4, 8, 3))
    params = model.init(KEY)
    x = jax.random.normal(KEY, (2, 5, 4))
    out = model.apply(params, x)
    assert out.shape == (2, 5, 3)
    np.testing.assert_allclose(jax.jit(model.apply)(params, x), out, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(jax.vmap(model.apply, (None, 0))(params, x), out, rtol=1e-5, atol=1e-6)
    grads = jax.grad(lambda p: model.apply(p, x).sum())(params)
    np.testing.assert_allclose(grads[-1].bias, [10.0, 10.0, 10.0])


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float64"])
def test_dtypes(dtype):
    with jax.enable_x64(dtype == "float64"):
        model = jaxbm.MLP((4, 8, 1), param_dtype=dtype)
        params = model.init(KEY)
        assert params[0].weight.dtype == dtype
        assert model.apply(params, jnp.ones((3, 4), dtype)).dtype == dtype


def test_compute_dtype_is_apart_from_parameter_dtype():
    model = jaxbm.MLP((4, 64, 1), dtype="bfloat16")
    params = model.init(KEY)
    x = jax.random.normal(KEY, (32, 4))
    out = model.apply(params, x)
    assert params[0].weight.dtype == out.dtype == jnp.float32
    exact = jaxbm.MLP((4, 64, 1)).apply(params, x)
    error = float(jnp.abs(out - exact).max())
    assert 0 < error < 0.05
    assert "bf16" in jax.jit(model.apply).lower(params, x).as_text()


def test_parameter_count_no_bias_and_summary():
    model = jaxbm.MLP((20, 64, 32, 1))
    assert model.n_params == 3457 == sum(leaf.size for leaf in jax.tree.leaves(model.init(KEY)))
    assert "3,457" in model.summary()
    bare = jaxbm.MLP((20, 64, 1), use_bias=False)
    params = bare.init(KEY)
    assert params[0].bias is None
    assert bare.n_params == 20 * 64 + 64
    assert bare.apply(params, jnp.zeros((2, 20))).tolist() == [[0.0], [0.0]]


@pytest.mark.parametrize("name", sorted(INITIALIZERS))
def test_initializers(name):
    weight = np.asarray(jaxbm.MLP((200, 300), weight_init=name).init(KEY)[0].weight)
    fans = {"glorot": 2 / 500, "xavier": 2 / 500, "he": 2 / 200, "kaiming": 2 / 200, "lecun": 1 / 200,
            "siren": 2 / 200}  # fmt: skip
    kind = name.split("_")[0]
    if kind in fans:
        assert weight.var() == pytest.approx(fans[kind], rel=0.05)
    elif kind == "orthogonal":
        np.testing.assert_allclose(weight @ weight.T, np.eye(200), atol=1e-4)
    else:
        assert not weight.any()
    if name in ("glorot_uniform", "xavier_uniform"):
        assert np.abs(weight).max() <= np.sqrt(6 / 500)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_initializers_of_narrow_types(dtype):
    for name in INITIALIZERS:
        model = jaxbm.MLP((30, 40, 50), weight_init=name, param_dtype=dtype)
        narrow, exact = (jax.jit(m.init)(KEY) for m in (model, jaxbm.MLP((30, 40, 50), weight_init=name)))
        assert {leaf.dtype.name for leaf in jax.tree.leaves(narrow)} == {dtype}, name
        for ours, like in zip(narrow, exact, strict=True):
            size = np.asarray(ours.weight, np.float64)
            assert np.isfinite(size).all(), name
            # Other draws in another type, of one law: of 1200 numbers and more.
            assert size.std() == pytest.approx(float(like.weight.std()), rel=0.07), name
        if name == "orthogonal":
            turned = np.asarray(narrow[0].weight, np.float64)
            np.testing.assert_allclose(turned @ turned.T, np.eye(30), atol=0.02)


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_activations(name):
    act = activation(name)
    assert act(jnp.zeros(3, jnp.bfloat16)).dtype == jnp.bfloat16
    assert np.isfinite(jax.vmap(jax.grad(act))(jnp.asarray([-1e4, -1.0, 0.0, 1.0, 1e4]))).all()


def test_dropout_keeps_the_mean_and_does_not_depend_on_the_batch():
    model = jaxbm.MLP((1, 10_000, 1), activation="identity", weight_init="zeros")
    params = model.init(KEY)
    params = (
        params[0]._replace(bias=jnp.ones(10_000)),
        params[1]._replace(weight=jnp.ones((10_000, 1)) / 10_000),
    )
    out = model.apply(params, jnp.ones((8, 1)), dropout=0.3, key=KEY)
    np.testing.assert_allclose(out, 1.0, atol=0.03)
    assert len(set(out.ravel().tolist())) > 1
    np.testing.assert_array_equal(out[:3], model.apply(params, jnp.ones((3, 1)), dropout=0.3, key=KEY))
    x = jnp.ones((8, 1))
    np.testing.assert_array_equal(model.apply(params, x, dropout=0.0, key=KEY), model.apply(params, x))


@pytest.mark.parametrize(
    ("build", "error", "match"),
    [
        (lambda: jaxbm.MLP((3,)), ValueError, "two or more positive widths"),
        (lambda: jaxbm.MLP((3, -1, 1)), ValueError, r"got \(3, -1, 1\)"),
        (lambda: jaxbm.MLP((3, 2.5)), TypeError, "got 2.5 in"),
        (lambda: jaxbm.MLP((3, 4, 1), activation="rellu"), ValueError, "did you mean 'relu'"),
        (lambda: jaxbm.MLP((3, 4, 1), activation=("relu", "tanh")), ValueError, "1 hidden layers, got 2"),
        (lambda: jaxbm.MLP((3, 1), weight_init="xavier"), ValueError, "did you mean 'xavier_"),
        (
            lambda: jaxbm.MLP((3, 1), param_dtype="int32"),
            ValueError,
            "param_dtype: expected a floating-point",
        ),
        (lambda: jaxbm.MLP((3, 1)).init(jnp.zeros(2)), TypeError, "expected a JAX random key"),
    ],
)
def test_bad_descriptions(build, error, match):
    with pytest.raises(error, match=match):
        build()


def test_bad_calls():
    model = jaxbm.MLP((3, 1))
    params = model.init(KEY)
    with pytest.raises(ValueError, match=r"x: expected shape \[..., 3\], got \[2, 4\]"):
        model.apply(params, jnp.ones((2, 4)))
    with pytest.raises(ValueError, match="params: expected weights of shapes"):
        jaxbm.MLP((3, 2, 1)).apply(params, jnp.ones((2, 3)))
    with pytest.raises(ValueError, match="key: expected a JAX random key"):
        model.apply(params, jnp.ones((2, 3)), dropout=0.5)


def test_a_models_size_is_counted_once():
    """Every call of `fit` asks for it, and to trace a user's `init` takes longer than a short run."""
    traced = []

    def init(key):
        traced.append(key)
        return {"w": jnp.zeros((3, 2))}

    model = jaxbm.FunctionModel(init, lambda params, x: x @ params["w"], 3, 2)
    assert [model.n_params, model.n_params, dataclasses.replace(model).n_params] == [6, 6, 6]
    assert len(traced) == 1


@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_shapes_are_known_without_a_trace(use_bias, dtype):
    for name in INITIALIZERS:
        model = jaxbm.MLP((3, 5, 4, 2), weight_init=name, use_bias=use_bias, param_dtype=dtype)
        assert model.param_shapes() == jax.eval_shape(model.init, KEY)


def test_a_network_that_draws_otherwise_is_asked_for_its_shapes():
    class Wider(jaxbm.MLP):
        def init(self, key):
            return (*super().init(key), jnp.zeros(7))

    model = Wider((3, 2))
    assert model.param_shapes() == jax.eval_shape(model.init, KEY)
    assert shapes_of(model)[-1].shape == (7,)
