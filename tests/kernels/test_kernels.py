"""The kernels beside training: Adam over a pytree, inference, and what dispatch says of its choices."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxbm
from jaxbm.kernels import adam_update, apply, explain, native, native_loop, permutation

NATIVE = native.native().reason is None
needs_native = pytest.mark.skipif(not NATIVE, reason="the kernels are not compiled here")
RNG = np.random.default_rng(0)


def tree(*shapes):
    return {str(i): jnp.asarray(RNG.normal(size=shape), jnp.float32) for i, shape in enumerate(shapes)}


SHAPES = [(3, 17), (), (16,), (0, 4), (257, 33), (1,)]
OPTIMIZERS = {
    "adam": jaxbm.adam(0.01),
    "nadam": jaxbm.adam(0.01, nesterov=True),
    "adamw": jaxbm.adamw(0.01, b1=0.8, eps_root=1e-9, weight_decay=0.1),
    "schedule": jaxbm.adam(optax.exponential_decay(0.01, 3, 0.5)),
}


def assert_close(a, b, **tolerance):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, **tolerance), a, b)


@needs_native
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_adam_update_is_update_and_apply(name):
    optimizer, params = OPTIMIZERS[name], tree(*SHAPES)
    ours = plain = (params, optimizer.init(params))
    fused = jax.jit(lambda g, s, p: adam_update(optimizer, g, s, p, implementation="cpu"), donate_argnums=(1, 2))
    ours = jax.tree.map(jnp.copy, ours)
    for _ in range(20):
        grads = tree(*SHAPES)
        ours = fused(grads, ours[1], ours[0])
        plain = adam_update(optimizer, grads, plain[1], plain[0], implementation="xla")
    assert int(ours[1].count) == int(plain[1].count) == 20
    assert_close(ours[0], plain[0], rtol=1e-5, atol=2e-7)
    assert_close(ours[1], plain[1], rtol=1e-5, atol=1e-7)


@needs_native
def test_adam_update_of_an_optimizer_derived_from_ours_is_its_own():
    class Standing(jaxbm.optimizers.Adam):
        def update(self, updates, state, params=None, **extra):
            return jax.tree.map(jnp.zeros_like, updates), state

    params = {"w": jnp.ones(3)}
    optimizer = Standing(0.1)
    assert adam_update(optimizer, params, optimizer.init(params), params)[0]["w"].tolist() == [1, 1, 1]


def test_adam_update_under_vmap_scan_and_grad():
    params, grads, rates = tree((4, 5), (7,)), tree((4, 5), (7,)), jnp.asarray([0.1, 0.01, 0.001])

    def steps(rate, params, implementation="cpu"):
        optimizer = jaxbm.adam(rate)

        def one(carry, _):
            return adam_update(optimizer, grads, carry[1], carry[0], implementation=implementation), None

        return jax.lax.scan(one, (params, optimizer.init(params)), length=5)[0]

    many = jax.jit(jax.vmap(steps, (0, None)))(rates, params)
    for k, rate in enumerate(rates):
        alone = jax.jit(steps)(rate, params)
        jax.tree.map(np.testing.assert_array_equal, jax.tree.map(lambda leaf, k=k: leaf[k], many), alone)
        assert_close(alone, steps(rate, params, "xla"), rtol=1e-5, atol=1e-7)

    def total(rate, implementation):
        return sum(leaf.sum() for leaf in steps(rate, params, implementation)[0].values())

    np.testing.assert_allclose(jax.grad(total)(0.1, "cpu"), jax.grad(total)(0.1, "xla"), rtol=1e-5)


@needs_native
def test_adam_update_leaves_what_is_not_donated():
    optimizer, params, grads = jaxbm.adam(0.1), tree((100,)), tree((100,))
    before = np.array(params["0"])
    adam_update(optimizer, grads, optimizer.init(params), params, implementation="cpu")
    np.testing.assert_array_equal(params["0"], before)


@pytest.mark.parametrize(
    ("optimizer", "dtype", "reason"),
    [
        (optax.adam(0.1), "float32", "jaxbm's own adam and adamw only"),
        (jaxbm.adam(0.1), "bfloat16", "float32"),
        (jaxbm.adam(0.1, mu_dtype="bfloat16"), "float32", "mu in float32"),
    ],
)
@needs_native
def test_adam_update_says_what_it_cannot_do(optimizer, dtype, reason):
    params = {"w": jnp.ones(3, dtype)}
    state = jaxbm.adam(0.1).init(params)
    with pytest.raises(NotImplementedError, match=reason):
        adam_update(optimizer, params, state, params, implementation="cpu")
    with pytest.raises(ValueError, match="implementation: expected None, 'cpu' or 'xla', got 'gpu'"):
        adam_update(optimizer, params, state, params, implementation="gpu")


@needs_native
@pytest.mark.parametrize("activation", native.names("activation") or ["relu"])
@pytest.mark.parametrize(("sizes", "rows"), [((5, 33, 16, 3), 3000), ((20, 7, 1), 1), ((1, 1), 17), ((3, 4, 4), 257)])
def test_apply_is_the_model(activation, sizes, rows):
    model = jaxbm.MLP(sizes, activation, use_bias=rows != 17)
    params, x = model.init(jax.random.key(0)), jnp.asarray(RNG.normal(size=(rows, sizes[0])), jnp.float32)
    np.testing.assert_allclose(
        jax.jit(lambda p, x: apply(model, p, x, implementation="cpu"))(params, x),
        model.apply(params, x), rtol=2e-5, atol=3e-6,
    )  # fmt: skip


@needs_native
def test_apply_under_vmap_and_grad():
    model, x = jaxbm.MLP((5, 9, 2)), jnp.asarray(RNG.normal(size=(40, 5)), jnp.float32)
    many = jax.vmap(model.init)(jax.random.split(jax.random.key(0), 6))
    logits = jax.vmap(lambda p: apply(model, p, x, implementation="cpu"))(many)
    assert logits.shape == (6, 40, 2)
    np.testing.assert_allclose(logits, jax.vmap(model.apply, (0, None))(many, x), rtol=1e-5, atol=1e-6)
    one = jax.tree.map(lambda leaf: leaf[0], many)
    slopes = [
        jax.grad(lambda p, name=name: (apply(model, p, x, implementation=name) ** 2).sum())(one)
        for name in ("cpu", "xla")
    ]
    assert_close(*slopes, rtol=1e-5)


@needs_native
def test_apply_refuses_by_name_and_falls_back_without():
    model = jaxbm.MLP((4, 3, 1), output_activation="tanh")
    params, x = model.init(jax.random.key(0)), jnp.ones((5, 4))
    with pytest.raises(NotImplementedError, match="output_activation='tanh'"):
        apply(model, params, x, implementation="cpu")
    np.testing.assert_array_equal(apply(model, params, x), model.apply(params, x))


@needs_native
@pytest.mark.parametrize("n", [1, 2, 15, 16, 17, 64, 65, 1000, 16_384, 20_001])
def test_permutation_is_the_plain_one_bit_for_bit(n):
    key = jax.random.key(n)
    native_order = jax.jit(lambda k: permutation(k, n, implementation="cpu"))(key)
    np.testing.assert_array_equal(native_order, jaxbm.shuffle.permutation(key, n))
    keys = jax.random.split(key, 3)
    many = jax.vmap(lambda k: permutation(k, n, implementation="cpu"))(keys)
    np.testing.assert_array_equal(many[2], jaxbm.shuffle.permutation(keys[2], n))


def test_permutation_refuses_bad_arguments():
    with pytest.raises(ValueError, match="n: expected 1 to"):
        permutation(jax.random.key(0), 0)
    with pytest.raises(TypeError, match="key: expected a JAX random key"):
        permutation(jnp.zeros(2), 5)
    with pytest.raises(ValueError, match="implementation: expected None"):
        permutation(jax.random.key(0), 5, implementation="gpu")


@pytest.mark.promotes  # Optax does
def test_explain():
    small, large = jaxbm.MLP((20, 64, 32, 1)), jaxbm.MLP((5000, 5000, 5000, 1))
    told = explain(small, loss="squared_error")
    other = "program" if native_loop.off() is None else "xla"
    assert told.implementation == ("cpu" if NATIVE and native.native().isa != "v2" else other)
    assert set(told.others) | {told.implementation} == {"xla", "cpu", "program", "cuda", "tpu"}
    assert "parameters" in explain(large, loss="squared_error").reason or not NATIVE
    if NATIVE:
        unknown = explain(small, loss="log_cosh", optimizer=optax.adam(0.1))
        assert (unknown.implementation, "log_cosh" in unknown.reason) == (other, True)
        assert "float32" in explain(small, loss="squared_error", dtype="bfloat16").reason
        assert explain(small, loss="squared_error", implementation="xla").others["cpu"] == "it was not asked for"
        with pytest.raises(NotImplementedError, match="log_cosh"):
            explain(small, loss="log_cosh", implementation="cpu")
    with pytest.raises(ValueError, match="did you mean 'squared_error'"):
        explain(small, loss="squard_error")
    assert str(told).startswith(f"{told.implementation}: ")
