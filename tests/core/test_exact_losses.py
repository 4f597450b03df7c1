"""Every loss of the table at its edges against 25 digits: value and gradient, by XLA, as a program, by the kernel."""

import itertools

import jax
import mpmath
import numpy as np
import pytest
from support import exact_losses

import jaxbm
from jaxbm import losses

NUMBERS = np.asarray([-1e4, -300, -90, -20, -1, -1e-3, -1e-6, 0, 1e-6, 1e-3, 1, 5, 20, 87, 300, 1e4], np.float32)
ROWS = np.asarray(
    [
        [0, 0, 0],
        [1e4, -1e4, 0],
        [-1e4, -1e4, 3],
        [100, 0, -100],
        [20, 0, -1],
        [3, -4, 5],
        [1e30, -1e30, 0],
        [0, 17, 17.5],
    ],
    np.float32,
)
PAIRS = np.asarray(list(itertools.product([-80, -1, 0, 10, 80], [-60, -16, -5, 0, 5, 80])), np.float32)
LABELS = {
    "real": [0, 1e-3, -1, 3, -1e6],
    "count": [0, 1, 3, 100],
    "amount": [1e-6, 0.5, 1, 1e6],
    "binary": [0, 1, 0.05, 0.95],
    "sign": [-1, 1],
    "class": [0, 1, 2],
    "rank": [0, 1, 2, 3],
    "distribution": [[1, 0, 0], [0, 1, 0], [0.9, 0.05, 0.05]],
}
APPLY = [[0, 0, 0], [1, 1, 1], [1, 0, 0], [0, 1, 1]]
#: Where a loss has a kink its slope is a matter of choice.
KINKS = {
    "absolute_error": lambda z, y: z == y,
    "pinball_loss": lambda z, y: z == y,
    "hinge_loss": lambda z, y: z * y == 1,
    "perceptron_loss": lambda z, y: z == 0,
    "multiclass_perceptron_loss": lambda z, y: np.sum(z == z.max()) > 1,
    "multiclass_hinge_loss": lambda z, y: np.sum((z + 1 - np.eye(3)[y]) == np.max(z + 1 - np.eye(3)[y])) > 1,
}
#: What rounding of the logits alone does to a gradient that is a difference, in float32.
ABSOLUTE = {"negative_binomial_nll": 3e-3}


def cases(name):
    kind = losses.kind_of(name)
    labels = APPLY if name == "multilabel_margin_loss" else LABELS[kind]
    labels = np.asarray(labels, np.int32 if kind in ("class", "rank") else np.float32)
    if name in exact_losses.OF_ONE:
        rows = NUMBERS
    else:
        rows = PAIRS if losses.table.entry_of(name).outputs in ("gaussian", "negative binomial") else ROWS
    is_kink = KINKS.get(name, lambda z, y: False)
    pairs = [(z, y) for z in rows for y in labels if not is_kink(z, y)]
    return tuple(map(np.asarray, zip(*pairs, strict=True)))


def single(number):
    """A number of many digits as float32 has it, infinities included."""
    with np.errstate(over="ignore"):
        return (
            np.float32(float(number))
            if abs(number) < mpmath.mpf(10) ** 300
            else np.float32(np.inf * int(mpmath.sign(number)))
        )


def exact(name, z, y):
    found = [exact_losses.value_and_gradient(name, *case) for case in zip(z, y, strict=True)]
    values, slopes = zip(*found, strict=True)
    return np.asarray([*map(single, values)]), np.reshape([single(one) for row in slopes for one in row], z.shape)


@pytest.mark.parametrize("name", sorted(set(losses.LOSSES) - {"cox_loss", "triplet_hard_loss"}))
def test_value_and_gradient_at_the_edges(name):
    z, y = cases(name)
    want = exact(name, z, y)
    function = jax.vmap(jax.value_and_grad(losses.LOSSES[name]))
    for way in (jax.jit(function), jaxbm.accelerate(function)):
        for got, exactly, what in zip(way(z, y), want, ("value", "gradient"), strict=True):
            atol = ABSOLUTE.get(name, 2e-7)
            np.testing.assert_allclose(got, exactly, rtol=1e-5, atol=atol, err_msg=f"{name} {what} {way}")


EVENTS = np.asarray([[2, 1], [1, 1], [2, 0], [2, 1], [5, 1]], np.float32)


@pytest.mark.parametrize("seen", [EVENTS, EVENTS * [1, 0], EVENTS * [1, 0] + [0, 1]], ids=["some", "none", "all"])
def test_partial_likelihood_at_the_edges(seen):
    labels = np.float32(seen)
    for z in np.float32([[0, 0, 0, 0, 0], [1e4, -1e4, 0, 3, 1], [-1e4, 1e4, 1e4, -1e4, 0], [90, 88, -90, 20, 0]]):
        value, slopes = exact("cox_loss", z[None], labels[None])
        function = jax.value_and_grad(lambda z: losses.cox_loss(z, labels).sum())
        for way in (jax.jit(function), jaxbm.accelerate(function)):
            got, gradient = way(z)
            np.testing.assert_allclose(got, value[0], rtol=1e-6)
            np.testing.assert_allclose(gradient, slopes[0], rtol=1e-5, atol=2e-7)


@pytest.mark.parametrize("implementation", ["cpu", "program", "xla"])
@pytest.mark.parametrize(
    "name", ["huber_loss", "sigmoid_binary_cross_entropy", "softmax_cross_entropy_with_integer_labels"]
)
def test_training_takes_the_same_value_and_gradient(name, implementation):
    """A network that hands its row on takes one step of size 1: the biases are then minus the gradient."""
    z, y = cases(name)
    sizes = np.abs(z).reshape(len(z), -1).max(axis=1)
    z, y = z[sizes < 1e5], y[sizes < 1e5]
    k = 1 if z.ndim == 1 else z.shape[1]
    value, slopes = exact(name, z, y)
    many = [np.broadcast_to(one, (len(z), *np.shape(one))) for one in (np.eye(k, dtype=np.float32), np.zeros(k, "f"))]
    model = jaxbm.MLP((k, k))
    params = jax.tree.unflatten(jax.tree.structure(model.init(jax.random.key(0))), many)
    run = jaxbm.fit_members(
        jax.random.key(0), model, z.reshape(-1, 1, k), y[:, None], members=len(z), params=params, loss=name,
        optimizer=jaxbm.sgd(1.0), epochs=1, batch_size=1, implementation=implementation,
    )  # fmt: skip
    np.testing.assert_allclose(run.history["loss"][:, 0], value, rtol=1e-5, atol=2e-7)
    bias = [leaf for leaf in jax.tree.leaves(run.params) if leaf.ndim == 2]
    np.testing.assert_allclose(-bias[0], slopes.reshape(-1, k), rtol=1e-5, atol=2e-7)
