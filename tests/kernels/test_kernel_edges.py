"""Numbers at the edge in the compiled kernel, against float64: huge and tiny logits, weights and counts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxbm
from jaxbm.kernels import native
from jaxbm.models.mlp import Dense
from jaxbm.optimizers import AdamState

IS_NATIVE = native.native().reason is None
pytestmark = pytest.mark.skipif(not IS_NATIVE, reason=str(native.native().reason))
KEY = jax.random.key(0)
LINE = jaxbm.MLP((1, 1))


def one_step(x, y, weight=1.0, loss="sigmoid_binary_cross_entropy", **options):
    """Loss and gradient of a straight line through the origin at one row, by the kernel."""
    start = (Dense(jnp.full((1, 1), weight), jnp.zeros(1)),)
    rows = np.asarray([[x]], np.float32), np.asarray([y], np.float32)
    options = {"epochs": 1, "optimizer": jaxbm.sgd(1.0), "params": start, "implementation": "cpu"} | options
    result = jax.jit(lambda x, y: jaxbm.fit(KEY, LINE, x, y, loss=loss, **options))(*rows)
    return float(result.history["loss"][0]), -float(result.params[0].bias[0]), result


@pytest.mark.parametrize("y", [0.0, 0.25, 1.0])
@pytest.mark.parametrize("z", [-80.0, -15.0, -5.0, -1e-3, 0.0, 1e-3, 5.0, 15.0, 80.0])
def test_sigmoid_cross_entropy_does_not_cancel(z, y):
    value, slope, _ = one_step(z, y)
    z = np.float64(np.float32(z))
    want = y * np.logaddexp(0, -z) + (1 - y) * np.logaddexp(0, z)
    want_slope = (1 - y) / (1 + np.exp(-z)) - y / (1 + np.exp(z))
    assert value == pytest.approx(want, rel=2e-6, abs=1e-34)
    assert slope == pytest.approx(want_slope, rel=2e-6, abs=1e-34)


def test_sigmoid_cross_entropy_of_infinite_logits():
    value, _, result = one_step(1e30, 0.0, weight=1e30)
    assert value == np.inf
    assert not bool(result.finite)
    value, _, result = one_step(1e30, 1.0, weight=1e30)
    assert value == 0.0
    value, _, result = one_step(-1e30, 0.0, weight=1e30)
    assert value == 0.0


@pytest.mark.parametrize("scale", [1e-40, 1e-36, 1e-30, 1e30, 1e38])
@pytest.mark.parametrize("implementation", ["cpu", "xla"])
def test_weights_count_in_proportion_however_large_or_small(scale, implementation):
    rng = np.random.default_rng(0)
    x, y, weight = rng.normal(size=(64, 3)).astype(np.float32), rng.normal(size=64), rng.uniform(0.1, 3, 64)
    options = {"loss": "squared_error", "epochs": 2, "implementation": implementation}
    plain = jaxbm.fit(KEY, jaxbm.MLP((3, 4, 1)), x, y, sample_weight=weight, **options)
    scaled = jaxbm.fit(KEY, jaxbm.MLP((3, 4, 1)), x, y, sample_weight=weight * scale, **options)
    np.testing.assert_allclose(scaled.history["loss"], plain.history["loss"], rtol=1e-5)
    np.testing.assert_allclose(scaled.params[0].weight, plain.params[0].weight, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("scale", [1e-45, 1e-40, 1e-38, 1e38, 1e100])
def test_weights_that_float32_hardly_holds_are_scaled(scale):
    rng = np.random.default_rng(0)
    x, y, weight = rng.normal(size=(64, 3)).astype(np.float32), rng.normal(size=64), rng.uniform(0.1, 1, 64)
    model, options = jaxbm.MLP((3, 4, 1)), {"loss": "squared_error", "epochs": 2}
    plain = jaxbm.fit(KEY, model, x, y, sample_weight=weight, **options)
    result = jaxbm.fit(KEY, model, x, y, sample_weight=weight * scale, **options)
    rel = 1e-5 if scale > 1e-44 else 0.5
    np.testing.assert_allclose(result.history["loss"], plain.history["loss"], rtol=rel)
    many = jaxbm.fit_members(KEY, model, x, y, members=2, sample_weight=np.stack([weight, weight * scale]), **options)
    assert np.isfinite(many.history["loss"]).all()
    assert (np.asarray(many.history["loss"]) > 0).all()
    measured = jaxbm.evaluate(model, plain.params, x, y, loss="squared_error", sample_weight=weight * scale)
    want = jaxbm.evaluate(model, plain.params, x, y, loss="squared_error", sample_weight=weight)
    assert measured["loss"] == pytest.approx(want["loss"], rel=rel)


@pytest.mark.parametrize("implementation", ["cpu", "xla"])
def test_sums_of_huge_weights_stay_finite_where_they_are_traced(implementation):
    """60 of 6e4 are more than float16 holds, 60 of 1e38 more than float32 does."""
    rng = np.random.default_rng(0)
    x, uneven, model = rng.normal(size=(60, 3)).astype(np.float32), rng.uniform(0.5, 1, 60), jaxbm.MLP((3, 4, 1))
    y, uneven = (x[:, 0] > 0).astype(np.float32), np.where(uneven > 0.7, 1.0, 0.5)
    loss = "sigmoid_binary_cross_entropy"

    @jax.jit
    def run(weight):
        return jaxbm.fit(KEY, model, x, y, loss=loss, epochs=2, sample_weight=weight, implementation=implementation)

    want = run(uneven.astype(np.float32))
    for weight in ((6e4 * uneven).astype(np.float16), (1e38 * uneven).astype(np.float32)):
        for found in (run(weight), run.__wrapped__(weight)):
            np.testing.assert_allclose(found.history["loss"], want.history["loss"], rtol=1e-5)
            np.testing.assert_allclose(found.params[0].weight, want.params[0].weight, rtol=1e-4, atol=1e-6)
        measured = jaxbm.evaluate(model, want.params, x, y, loss=loss, sample_weight=weight)["loss"]
        assert measured == pytest.approx(
            jaxbm.evaluate(model, want.params, x, y, loss=loss, sample_weight=uneven)["loss"], rel=1e-5
        )


@pytest.mark.parametrize("count", [0, 5, 2**31 - 3, 2**31 - 2, 2**31 - 1])
def test_nesterov_adam_at_any_count(count):
    optimizer = jaxbm.adam(0.1, nesterov=True)
    params, grads = {"w": jnp.asarray([1.0, -2.0])}, {"w": jnp.asarray([0.5, 0.25])}
    state = AdamState(jnp.asarray(count, jnp.int32), {"w": jnp.asarray([0.1, 0.1])}, {"w": jnp.asarray([0.2, 0.2])})
    t, m, v = count + 1, 0.9 * 0.1 + 0.1 * np.array([0.5, 0.25]), 0.999 * 0.2 + 0.001 * np.array([0.25, 0.0625])
    hat = 0.9 * m / (1 - 0.9 ** (t + 1)) + 0.1 * np.array([0.5, 0.25]) / (1 - 0.9**t)
    want = np.array([1.0, -2.0]) - 0.1 * hat / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    for implementation in ("cpu", "xla"):
        got, after = jaxbm.kernels.adam_update(optimizer, grads, state, params, implementation=implementation)
        np.testing.assert_allclose(got["w"], want, rtol=1e-5, err_msg=implementation)
        assert int(after.count) == min(t, 2**31 - 1)
    _, _, result = one_step(1.0, 1.0, optimizer=optimizer, opt_state=_state(count), epochs=2)
    assert bool(result.finite)
    assert int(result.opt_state.count) == min(count + 2, 2**31 - 1)


def _state(count):
    zero = (Dense(jnp.zeros((1, 1)), jnp.zeros(1)),)
    return AdamState(jnp.asarray(count, jnp.int32), zero, zero)


WAYS = [("cpu", False), ("cpu", True), ("program", False), ("xla", True)]


@pytest.mark.parametrize(("implementation", "nesterov"), WAYS)
def test_running_means_that_overflow_are_told(implementation, nesterov):
    """Squares of gradients of 1e20 are more than float32 holds: of such parameters a step is m / inf, for good."""
    rng = np.random.default_rng(0)
    x, model = rng.normal(size=(64, 3)).astype(np.float32), jaxbm.MLP((3, 4, 1))
    y, scale = (x[:, 0] > 0).astype(np.float32), np.float32(1e25)
    options = {
        "loss": "sigmoid_binary_cross_entropy",
        "epochs": 2,
        "batch_size": 64,
        "implementation": implementation,
    }
    options |= {"optimizer": jaxbm.adam(nesterov=nesterov)}
    with pytest.raises(jaxbm.NonFiniteError, match="a running mean of Adam's became NaN or infinite in epoch 0"):
        jaxbm.fit(KEY, model, x * scale, y, **options)
    with pytest.warns(jaxbm.NonFiniteMembersWarning, match="1 of 2 members"):
        many = jaxbm.fit_members(KEY, model, x, y, members=2, **options, l2=jnp.asarray([0, scale]))
    assert many.finite.tolist() == [True, False]


@pytest.mark.parametrize(("implementation", "nesterov"), WAYS)
def test_without_eps_parameters_without_gradients_stay_as_they_are(implementation, nesterov):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(64, 3)).astype(np.float32), rng.normal(size=64).astype(np.float32)
    x[:, 1] = 0
    model = jaxbm.MLP((3, 4, 1))
    start = model.init(KEY)
    options = {"loss": "squared_error", "epochs": 2, "implementation": implementation, "params": start}
    found = jaxbm.fit(KEY, model, x, y, optimizer=jaxbm.adam(eps=0, nesterov=nesterov), **options).params
    want = jaxbm.fit(KEY, model, x, y, optimizer=jaxbm.adam(eps=1e-12, nesterov=nesterov), **options).params
    np.testing.assert_array_equal(found[0].weight[1], start[0].weight[1])
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), found, want)
