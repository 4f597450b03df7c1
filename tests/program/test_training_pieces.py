"""What training runs are made of: losses and activations by name, and Optax's optimizers, natively as by XLA.

All of a kind are one program, so that each kind is compiled once.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from contract import same

from jaxbm.losses import LOSSES, kind_of
from jaxbm.models.activations import ACTIVATIONS

rng = np.random.default_rng(11)
LOGITS = jnp.asarray(rng.normal(size=(9, 4)) * 3, jnp.float32)
LABELS = {
    "real": jnp.asarray(rng.normal(size=(9, 4)), jnp.float32),
    "distribution": jnp.asarray(rng.dirichlet(np.ones(4), 9), jnp.float32),
    "class": jnp.asarray(rng.integers(0, 4, 9), jnp.int32),
    "binary": jnp.asarray(rng.integers(0, 2, (9, 4)), jnp.float32),
    "sign": jnp.asarray(rng.choice([-1, 1], (9, 4)), jnp.float32),
}
# Those that take an array of outputs for each label; others have outputs and labels of their own form.
PLAIN = (
    "squared_error", "l2_loss", "absolute_error", "huber_loss", "log_cosh", "softmax_cross_entropy",
    "safe_softmax_cross_entropy", "poly_loss_cross_entropy", "softmax_cross_entropy_with_integer_labels",
    "multiclass_hinge_loss", "multiclass_perceptron_loss", "multiclass_sparsemax_loss",
    "sigmoid_binary_cross_entropy", "sigmoid_focal_loss", "sparsemax_loss", "hinge_loss", "perceptron_loss",
)  # fmt: skip
NAMES = (
    "adabelief", "adadelta", "adagrad", "adam", "adamax", "adamw", "adan", "amsgrad", "fromage", "lamb", "lars",
    "lion", "nadam", "nadamw", "novograd", "radam", "rmsprop", "sgd", "sign_sgd", "sm3", "yogi",
)  # fmt: skip
PARAMS = {"w": LABELS["real"], "b": LABELS["real"][0]}


def test_losses_and_their_gradients():
    def every(logits, labels):
        out = {}
        for name in PLAIN:
            loss = LOSSES[name]
            mean = lambda z, loss=loss, name=name: loss(z, labels[kind_of(name)]).mean()  # noqa: E731
            out[name] = jax.value_and_grad(mean)(logits)
        return out

    same(every, LOGITS, LABELS, factor=10, magnitude=0.1)


def test_activations_and_their_derivatives():
    def every(x):
        return {name: (f(x), jax.grad(lambda x, f=f: f(x).sum())(x)) for name, f in ACTIVATIONS.items()}

    # XLA's tanh is off by some units in the last place, and gelu's derivative takes it from 1.
    same(every, LOGITS, factor=3, magnitude=1.0)


@pytest.mark.parametrize("names", [NAMES[:11], NAMES[11:]], ids=["first", "more"])
def test_optimizers(names):
    makers = {name: getattr(optax, name)(learning_rate=0.1) for name in names if hasattr(optax, name)}
    assert len(makers) > 5

    def every(params):
        out = {}
        for name, optimizer in makers.items():
            p, state = params, optimizer.init(params)
            for _ in range(2):
                grads = jax.tree.map(jnp.cos, p)
                updates, state = optimizer.update(grads, state, p)
                p = optax.apply_updates(p, updates)
            out[name] = p
        return out

    same(every, PARAMS, factor=20, magnitude=1.0)
