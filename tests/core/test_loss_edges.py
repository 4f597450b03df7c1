"""Losses at the edges: infinite and masked logits, labels of 1, narrow types, labels that are no classes."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxbm import losses

INTEGER = losses.softmax_cross_entropy_with_integer_labels
LOGITS = jnp.asarray(np.random.default_rng(0).normal(0, 3, (4, 4)), jnp.float32)
SOFT = jnp.asarray(np.random.default_rng(1).dirichlet(np.ones(4), 4), jnp.float32)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_binary_cross_entropy_keeps_its_digits_for_either_label(dtype):
    z = jnp.asarray([0.0, 1.0, 5.0, 10.0, 15.0, 30.0, -2.0, -30.0], dtype)
    exact = np.logaddexp(0, -np.asarray(z, np.float64))
    slope = -1 / (1 + np.exp(np.asarray(z, np.float64)))
    eps = float(jnp.finfo(dtype).eps)
    for label, sign in ((1.0, 1), (0.0, -1)):
        value, grad = jax.vmap(jax.value_and_grad(losses.sigmoid_binary_cross_entropy), (0, None))(sign * z, label)
        # The smallest normal number is all that a type can tell from zero.
        least = float(jnp.finfo(dtype).tiny)
        np.testing.assert_allclose(value.astype(float), exact, rtol=4 * eps, atol=4 * least)
        np.testing.assert_allclose(grad.astype(float), sign * slope, rtol=4 * eps, atol=4 * least)


def test_binary_cross_entropy_of_infinite_logits():
    inf = jnp.inf
    loss = losses.sigmoid_binary_cross_entropy(jnp.asarray([inf, inf, -inf, -inf]), jnp.asarray([0.0, 1.0, 0.0, 1.0]))
    assert loss.tolist() == [inf, 0.0, 0.0, inf]
    grad = jax.vmap(jax.grad(losses.sigmoid_binary_cross_entropy))(jnp.asarray([inf, -inf]), jnp.asarray([0.0, 1.0]))
    assert grad.tolist() == [1.0, -1.0]
    assert np.isnan(losses.sigmoid_binary_cross_entropy(jnp.nan, 1.0))


def test_binary_cross_entropy_at_zero_has_all_its_derivatives():
    for function in (losses.sigmoid_binary_cross_entropy, optax.sigmoid_binary_cross_entropy):
        first = jax.grad(function)
        assert float(first(0.0, 1.0)) == -0.5
        assert float(jax.grad(first)(0.0, 1.0)) == 0.25
        assert float(jax.grad(jax.grad(jax.grad(first)))(0.0, 0.25)) == pytest.approx(-0.125)
    assert float(jax.grad(losses.sigmoid_binary_cross_entropy, 1)(3.0, 0.5)) == -3.0


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_focal_loss_agrees_with_optax_to_the_second_derivative(gamma):
    z, y = map(
        jnp.ravel, jnp.meshgrid(jnp.asarray([-60.0, -5.0, -0.3, 0.0, 0.3, 5.0, 60.0]), jnp.asarray([0, 0.3, 1]))
    )

    @functools.partial(jax.jit, static_argnums=0)
    def derived(loss, z, y):
        f = functools.partial(loss, gamma=gamma)
        return [jax.vmap(derivative)(z, y) for derivative in (f, jax.grad(f), jax.hessian(f))]

    for got, want in zip(*(derived(m.sigmoid_focal_loss, z, y) for m in (losses, optax)), strict=True):
        assert np.isfinite(got).all()
        np.testing.assert_allclose(got, want, rtol=2e-5, atol=1e-6)


def test_focal_loss_takes_a_traced_gamma_and_one_for_each_logit():
    z, y = LOGITS[0], jnp.asarray([0.0, 1.0, 0.0, 1.0])
    want = losses.sigmoid_focal_loss(z, y, gamma=1.5, alpha=0.3)
    np.testing.assert_allclose(jax.jit(lambda g, a: losses.sigmoid_focal_loss(z, y, a, g))(1.5, 0.3), want, rtol=1e-6)
    np.testing.assert_allclose(losses.sigmoid_focal_loss(z, y, 0.3, jnp.full(4, 1.5)), want, rtol=1e-6)
    assert jnp.isfinite(jax.grad(lambda g: losses.sigmoid_focal_loss(z, y, gamma=g).sum())(0.0))
    with pytest.raises(ValueError, match=r"gamma: expected a number or shape \[4\], got \[3\]"):
        losses.sigmoid_focal_loss(z, y, gamma=jnp.ones(3))


MASKED = {
    "softmax_cross_entropy": SOFT,
    "poly_loss_cross_entropy": SOFT,
    "softmax_cross_entropy_with_integer_labels": jnp.asarray([0, 1, 0, 0]),
}


#: Their masks are of elements alone.
ELEMENTS_MASKED = dict.fromkeys(
    ("kl_divergence", "kl_divergence_with_log_targets", "generalized_kl_divergence", "cosine_similarity"), SOFT
)


@pytest.mark.parametrize("name", sorted(MASKED | ELEMENTS_MASKED))
@pytest.mark.parametrize("bad", [100.0, 1e30, jnp.inf, -jnp.inf, jnp.nan])
def test_what_is_masked_has_no_influence(name, bad):
    function, labels = getattr(losses, name), (MASKED | ELEMENTS_MASKED)[name]
    where = jnp.ones((4, 4), bool).at[:, 2].set(False).at[3].set(False)
    value, grad = jax.value_and_grad(lambda x: function(x, labels, where=where).sum())(
        jnp.where(where, LOGITS, bad).at[3].set(0.0)
    )
    clean, clean_grad = jax.value_and_grad(lambda x: function(x, labels, where=where).sum())(
        jnp.where(where, LOGITS, 0.0)
    )
    np.testing.assert_allclose(value, clean, rtol=1e-6)
    np.testing.assert_allclose(grad, clean_grad, rtol=1e-6)
    assert (np.asarray(grad)[:, 2] == 0).all()


@pytest.mark.parametrize("name", sorted(MASKED))
def test_a_mask_for_rows_is_one_even_where_rows_and_classes_are_as_many(name):
    function, labels = getattr(losses, name), MASKED[name]
    rows = jnp.asarray([True, False, True, False])
    got = function(LOGITS, labels, where=rows)
    np.testing.assert_allclose(got, jnp.where(rows, function(LOGITS, labels), 0), rtol=1e-6)
    assert function(LOGITS, labels, where=jnp.zeros(4, bool)).tolist() == [0.0] * 4
    grad = jax.grad(lambda x: function(x, labels, where=jnp.zeros((4, 4), bool)).sum())(LOGITS)
    assert not np.any(grad)
    with pytest.raises(ValueError, match=r"where: expected shape \[4, 4\], or \[4\] for whole rows, got \[3\]"):
        function(LOGITS, labels, where=jnp.ones(3, bool))


def test_a_label_that_is_no_class():
    labels = jnp.asarray([0, 7, -1, 3])
    for function in (INTEGER, losses.multiclass_hinge_loss, losses.multiclass_perceptron_loss):
        with pytest.raises(ValueError, match=r"labels: expected classes 0 to 3, got 7 at \[1\] \(2 in all\)"):
            function(LOGITS, labels)
        for traced in (jax.jit(function), jax.vmap(function)):
            assert np.isnan(traced(LOGITS, labels)).tolist() == [False, True, True, False]
    with pytest.raises(ValueError, match="labels: expected integers that fit int32, got 4294967297"):
        INTEGER(LOGITS, np.asarray([0, 1, 2, 2**32 + 1]))
    np.testing.assert_allclose(INTEGER(LOGITS, np.arange(4, dtype="uint8")), INTEGER(LOGITS, jnp.arange(4)))


def test_axes():
    x = jnp.asarray(np.random.default_rng(2).normal(size=(2, 3, 4)), jnp.float32)
    y = jnp.asarray([[1, 11], [0, 5]])[0]
    np.testing.assert_allclose(INTEGER(x, y, axis=(1, 2)), INTEGER(x.reshape(2, 12), y), rtol=1e-6)
    for call in (
        lambda: INTEGER(LOGITS, jnp.arange(4), axis=2),
        lambda: losses.softmax_cross_entropy(LOGITS, SOFT, axis=2),
        lambda: losses.kl_divergence(LOGITS, SOFT, axis=-3),
    ):
        with pytest.raises(ValueError, match=r"axis: expected -2 to 1 for 2 axes"):
            call()


def test_a_number_never_widens_a_narrow_type():
    x, y = jnp.ones(3, jnp.bfloat16), jnp.zeros(3, jnp.bfloat16)
    one = np.float32(1)
    assert losses.huber_loss(x, y, delta=one).dtype == jnp.bfloat16
    assert losses.sigmoid_focal_loss(x, y, alpha=one / 2, gamma=one).dtype == jnp.bfloat16
    assert losses.smooth_labels(x, one / 2).dtype == jnp.bfloat16
    with pytest.raises(ValueError, match="delta: expected 0 to inf, the ends excluded, got 0"):
        losses.huber_loss(x, y, delta=0.0)


def test_divergences_of_impossible_classes():
    log_p = jnp.asarray([0.0, -jnp.inf])
    q = jnp.asarray([1.0, 0.0])
    value, grad = jax.value_and_grad(losses.kl_divergence)(log_p, q)
    assert float(value) == 0.0
    assert grad.tolist() == [-1.0, 0.0]
    assert float(losses.kl_divergence_with_log_targets(log_p, jnp.log(q))) == 0.0


def test_weights_of_any_size_give_the_same_mean():
    values, weights = jnp.asarray([1.0, 2.0, 4.0]), np.asarray([1.0, 2.0, 1.0], np.float32)
    for scale in (1e38, 1e-38, 1e-40):
        assert float(losses.mean(values, weights * np.float32(scale))) == pytest.approx(2.25, rel=1e-4)
    assert float(jax.jit(losses.mean)(values, weights * np.float32(1e38))) == pytest.approx(2.25)


def test_numbers_of_any_make():
    y = np.asarray([1.0, 2.0])
    for made in (y.astype(">f4"), y.astype(np.longdouble), y.astype(object)):
        assert losses.squared_error(jnp.zeros(2), made).tolist() == [1.0, 4.0]
    for made in (np.asarray(["1", "2"]), np.asarray([1.0, None]), y + 1j):
        with pytest.raises(TypeError, match="targets: expected"):
            losses.squared_error(jnp.zeros(2), made)


ELEMENTWISE = (
    "absolute_error", "hinge_loss", "huber_loss", "l2_loss", "log_cosh", "perceptron_loss",
    "sigmoid_binary_cross_entropy",
    "sigmoid_focal_loss", "sparsemax_loss", "squared_error",
)  # fmt: skip
OF_CLASSES = ("multiclass_hinge_loss", "multiclass_perceptron_loss", "multiclass_sparsemax_loss", INTEGER.__name__)
OF_SHARES = ("kl_divergence", "poly_loss_cross_entropy", "safe_softmax_cross_entropy", "softmax_cross_entropy")


def each_loss():
    for names, labels in ((ELEMENTWISE, SOFT), (OF_CLASSES, jnp.asarray([0, 1, 2, 3])), (OF_SHARES, SOFT)):
        for name in names:
            yield getattr(losses, name), labels


def test_ranks_are_not_promoted_and_types_stay():
    """Both are refused, or known, while tracing."""
    with jax.numpy_rank_promotion("raise"):
        for function, labels in each_loss():
            for dtype in ("float32", "bfloat16"):
                logits = jax.ShapeDtypeStruct(LOGITS.shape, dtype)
                assert jax.eval_shape(function, logits, labels).dtype == dtype, function
                grad = jax.eval_shape(jax.grad(lambda x, f=function, y=labels: f(x, y).sum()), logits)
                assert grad.dtype == dtype, function


def test_no_step_on_the_way_is_nan():
    with jax.debug_nans(True):
        for function, labels in each_loss():
            grad = jax.grad(lambda x, f=function, y=labels: f(x, y).sum())(LOGITS)
            assert np.isfinite(grad).all(), function
