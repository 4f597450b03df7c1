import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxbm import losses

RNG = np.random.default_rng(0)
LOGITS = np.concatenate([RNG.normal(0, 3, (40, 5)), [[0, 0, 0, 0, 0], [50, -50, 0, 1, -1], [1e4, -1e4, 0, 3, 2]]])
SOFT = RNG.dirichlet(np.ones(5), 43)
HARD = RNG.integers(0, 5, 43)
SIGNS = np.sign(RNG.normal(size=LOGITS.shape))
BINARY = (SIGNS > 0).astype(float)
NEAR = np.clip(LOGITS, -30, 30)
TOLERANCE = {"float64": 1e-12, "float32": 2e-5, "bfloat16": 3e-2}

CASES = {
    "squared_error": (LOGITS, SOFT, {}),
    "l2_loss": (LOGITS, SOFT, {}),
    "huber_loss": (LOGITS, SOFT, {"delta": 0.7}),
    "log_cosh": (LOGITS, SOFT, {}),
    "softmax_cross_entropy": (LOGITS, SOFT, {}),
    "safe_softmax_cross_entropy": (LOGITS, SOFT, {}),
    "sigmoid_binary_cross_entropy": (LOGITS, BINARY, {}),
    "sigmoid_focal_loss": (NEAR, BINARY, {"alpha": 0.25, "gamma": 2.0}),
    "hinge_loss": (LOGITS, SIGNS, {}),
    "kl_divergence": (np.log(np.roll(SOFT, 1, 0)), SOFT, {}),
}


def compiled(function, **options):
    """A loss's values, and the derivatives of their sum by its outputs, in one compiled function."""

    @jax.jit
    def values_and_slopes(x, y, **masks):
        values, pull = jax.vjp(lambda x: function(x, y, **options, **masks), x)
        return values, pull(jnp.ones_like(values))[0]

    return values_and_slopes


def agree(got, want, tolerance):
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        np.testing.assert_allclose(a.astype(float), b.astype(float), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
@pytest.mark.parametrize("name", sorted(CASES))
def test_values_and_gradients_agree_with_optax(name, dtype):
    x, y, options = CASES[name]
    with jax.enable_x64(dtype == "float64"):
        x, y = jnp.asarray(x, dtype), jnp.asarray(y, dtype)
        ours, theirs = getattr(losses, name), getattr(optax, name, None) or getattr(optax.losses, name)
        got, want = compiled(ours, **options)(x, y), compiled(theirs, **options)(x, y)
        assert got[0].dtype == got[1].dtype == dtype
        agree(got, want, TOLERANCE[dtype])
        assert np.isfinite(got[1].astype(float)).all()
        mapped = jax.jit(jax.vmap(lambda a, b: ours(a, b, **options)))
        agree((ours(x, y, **options), mapped(x, y)), (got[0], got[0]), TOLERANCE[dtype])


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_integer_labels_axis_and_where_agree_with_optax(axis):
    x, y = jnp.asarray(LOGITS[:5, :5], jnp.float32), jnp.asarray(HARD[:5])
    where = jnp.asarray(RNG.random((5, 5)) > 0.3).at[jnp.arange(5), y].set(True)
    where = where | where.T
    for name in ("softmax_cross_entropy_with_integer_labels", "softmax_cross_entropy"):
        labels = y if name.endswith("labels") else jnp.asarray(SOFT[:5], jnp.float32)
        ours, theirs = (compiled(getattr(module, name), axis=axis) for module in (losses, optax))
        for mask in ({}, {"where": where}):
            agree(ours(x, labels, **mask)[0], theirs(x, labels, **mask)[0], 1e-5)


def test_textbook_values():
    one_hot = jnp.asarray([1.0, 0.0, 0.0])
    probabilities = jnp.asarray([0.7, 0.2, 0.1])
    assert float(losses.cross_entropy(probabilities, one_hot)) == pytest.approx(0.357, abs=5e-4)
    assert float(losses.squared_error(3.0, 2.5)) == 0.25
    assert float(losses.huber_loss(3.0, 0.0, delta=1.0)) == 2.5
    np.testing.assert_allclose(losses.smooth_labels(one_hot, 0.3), optax.smooth_labels(one_hot, 0.3), rtol=1e-6)


def test_huge_logits_stay_finite():
    huge = jnp.asarray([[1e30, -1e30, 0.0]])
    for function, labels in (
        (losses.softmax_cross_entropy, jnp.asarray([[1.0, 0.0, 0.0]])),
        (losses.sigmoid_binary_cross_entropy, jnp.zeros((1, 3))),
        (losses.sigmoid_focal_loss, jnp.ones((1, 3))),
        (losses.log_cosh, jnp.zeros((1, 3))),
    ):
        value, grad = compiled(function)(huge, labels)
        assert np.isfinite(value).all()
        assert np.isfinite(grad).all()
    gradient = jax.grad(lambda p: losses.cross_entropy(p, jnp.asarray([1.0, 0.0])))(jnp.asarray([0.0, 1.0]))
    assert np.isfinite(gradient).all()
    ruled_out = jnp.asarray([0.0, -jnp.inf])
    assert float(losses.safe_softmax_cross_entropy(ruled_out, jnp.asarray([1.0, 0.0]))) == 0.0


def test_weighted_mean():
    values = jnp.asarray([1.0, 5.0, jnp.nan])
    assert float(losses.mean(values, jnp.asarray([3.0, 1.0, 0.0]))) == 2.0
    assert float(losses.mean(values[:2])) == 3.0
    zero, grad = jax.value_and_grad(lambda v: losses.mean(v, jnp.zeros(2)))(values[:2])
    assert float(zero) == 0.0
    assert grad.tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (
            lambda: losses.squared_error(jnp.ones((4, 1)), jnp.ones(4)),
            r"targets: expected the shape .*\[4, 1\], got \[4\]",
        ),
        (lambda: losses.sigmoid_binary_cross_entropy(jnp.ones(4), jnp.ones((4, 1))), r"labels: .*got \[4, 1\]"),
        (lambda: losses.squared_error(jnp.ones(3, int), jnp.ones(3)), "predictions: expected floating-point"),
        (lambda: losses.softmax_cross_entropy(jnp.ones((4, 3)), jnp.ones(4)), "labels: expected the shape"),
        (
            lambda: losses.softmax_cross_entropy_with_integer_labels(jnp.ones((4, 3)), jnp.ones(4)),
            "labels: expected integers",
        ),
        (
            lambda: losses.softmax_cross_entropy_with_integer_labels(jnp.ones((4, 3)), jnp.ones((4, 1), int)),
            r"labels: expected shape \[4\]",
        ),
        (lambda: losses.mean(jnp.ones(3), jnp.ones((3, 1))), "weights: expected"),
        (lambda: losses.loss("squared_eror"), "did you mean 'squared_error'"),
        (lambda: losses.loss("BCEWithLogitsLoss"), "did you mean 'sigmoid_binary_cross_entropy'"),
        (lambda: losses.loss("sparse_categorical_crossentropy"), "did you mean 'softmax_cross_entropy_with_integer"),
    ],
)
def test_bad_input(call, match):
    with pytest.raises(ValueError, match=match):
        call()


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
@pytest.mark.parametrize("axis", [0, -1])
@pytest.mark.parametrize("name", ["softmax_cross_entropy", "kl_divergence"])
def test_axis_and_where_with_gradients_agree_with_optax(name, axis, dtype):
    with jax.enable_x64(dtype == "float64"):
        x = jnp.asarray(NEAR[:6, :5] if name.startswith("soft") else np.log(np.roll(SOFT, 1, 0)[:6]), dtype)
        y = jnp.asarray(SOFT[:6], dtype)
        where = jnp.asarray(np.random.default_rng(1).random((6, 5)) > 0.3).at[0].set(True).at[:, 0].set(True)
        ours, theirs = (compiled(getattr(module, name), axis=axis) for module in (losses, optax.losses))
        for mask in ({}, {"where": where}):
            agree(ours(x, y, **mask), theirs(x, y, **mask), TOLERANCE[dtype] * (3 if dtype == "bfloat16" else 1))


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_integer_labels_and_smoothing_in_every_dtype(dtype):
    name = "softmax_cross_entropy_with_integer_labels"
    with jax.enable_x64(dtype == "float64"):
        x, y = jnp.asarray(NEAR, dtype), jnp.asarray(HARD)
        got, want = (compiled(getattr(module, name))(x, y) for module in (losses, optax.losses))
        assert got[0].dtype == dtype
        agree(got, want, TOLERANCE[dtype])
        smooth, want = (module.smooth_labels(jnp.asarray(SOFT, dtype), 0.2) for module in (losses, optax))
        np.testing.assert_allclose(smooth.astype(float), want.astype(float), rtol=TOLERANCE[dtype])
