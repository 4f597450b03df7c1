"""Under `vmap` a shared table stays one table, and gradients flow through whatever trains many members."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxbm
from jaxbm.members import chunks, fit_members
from jaxbm.run.contract import EVALUATION_ROWS_OF_ALL
from jaxbm.run.training import Training

ROWS, FEATURES = 20_000, 20
rng = np.random.default_rng(0)
X = rng.normal(size=(ROWS, FEATURES)).astype(np.float32)
Y = X[:, 0]
MODEL, KEY = jaxbm.MLP((FEATURES, 8, 1)), jax.random.key(0)
SHUFFLE_BYTES = 3 * 4 * ROWS
"""What an order of the rows takes for each member: the places, and what they are computed from."""


@pytest.mark.parametrize("options", [{}, {"patience": 2}], ids=["plain", "early stopping"])
@pytest.mark.parametrize("members", [1, 64, 1024])
def test_the_compiled_program_holds_no_copy_of_the_table_for_each_member(members, options):
    def one(key):
        return jaxbm.fit(
            key, MODEL, X, Y, loss="squared_error", epochs=2, batch_size=64, implementation="xla", **options
        )

    trained = jax.jit(one if members == 1 else jax.vmap(one))
    keys = KEY if members == 1 else jax.random.split(KEY, members)
    used = trained.lower(keys).compile().memory_analysis().temp_size_in_bytes
    assert used < members * SHUFFLE_BYTES + 4 * X.nbytes
    assert used < members * X.nbytes / 4 or members == 1


def small(rate, **options):
    return {"loss": "squared_error", "epochs": 2, "optimizer": jaxbm.sgd(rate), **options}


def vmapped(rate):
    return jax.vmap(lambda key: jaxbm.fit(key, MODEL, X[:64], Y[:64], **small(rate)))(jax.random.split(KEY, 3))


WAYS = {
    "vmap of fit": vmapped,
    "fit with members": lambda rate: jaxbm.fit(KEY, MODEL, X[:64], Y[:64], members=3, **small(rate)),
    "fit_members": lambda rate: jaxbm.fit_members(KEY, MODEL, X[:64], Y[:64], members=3, **small(rate)),
    "vmap of jit of fit": lambda rate: jax.vmap(
        jax.jit(lambda key: jaxbm.fit(key, MODEL, X[:64], Y[:64], **small(rate)))
    )(jax.random.split(KEY, 3)),
    "fit_members with rows of their own": lambda rate: jaxbm.fit_members(
        KEY,
        MODEL,
        X[:64],
        Y[:64],
        members=2,
        rows=[np.arange(40), np.arange(10, 64)],
        **small(rate, validation_split=0.25),
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_gradient_goes_through_the_training_of_many(way):
    def final(rate):
        return WAYS[way](rate).history["loss"][:, -1].sum()

    slope, step = jax.grad(final)(0.01), 1e-3
    difference = (final(0.01 + step) - final(0.01 - step)) / (2 * step)
    np.testing.assert_allclose(slope, difference, rtol=0.02)
    np.testing.assert_allclose(jax.jit(jax.grad(final))(0.01), slope, rtol=1e-4)
    if way == "fit_members":
        np.testing.assert_allclose(jax.vmap(jax.grad(final))(jnp.asarray([0.01]))[0], slope, rtol=1e-4)


@pytest.mark.parametrize("implementation", [None, "xla", "cpu", "program"])
def test_a_gradient_is_traced_through_members_that_stop_early(implementation):
    """On each path, and by what it can be taken of: nothing on the way is without a rule for its transpose."""
    if implementation not in (None, "xla") and not jaxbm.kernels.status()[implementation].startswith("on"):
        pytest.skip("no native functions here")
    options = {"validation_split": 0.25, "patience": 1, "implementation": implementation}

    def last(rate, x, weight):
        run = small(rate, sample_weight=weight, **options)
        return jaxbm.fit_members(KEY, MODEL, x, Y[:64], members=2, **run).history["val_loss"][:, -1].sum()

    given = jnp.float32(0.01), X[:64], np.ones(64, np.float32)
    slopes = jax.eval_shape(jax.grad(last, (0, 1, 2)), *given)
    assert [slope.shape for slope in slopes] == [(), (64, FEATURES), (64,)]


def test_members_of_a_vmap_that_stop_at_different_times_keep_their_own_results():
    def one(key, patience):
        return jaxbm.fit(
            key,
            MODEL,
            X[:64],
            Y[:64],
            patience=patience,
            min_delta=0.5,
            implementation="xla",
            **small(0.05, epochs=9),
        )

    patience = jnp.asarray([1, 3, 9])
    many = jax.vmap(one, (None, 0))(KEY, patience)
    assert len(set(many.epochs_run.tolist())) > 1
    for k in range(3):
        alone = one(KEY, patience[k])
        np.testing.assert_allclose(many.history["loss"][k], alone.history["loss"], rtol=1e-5)
        np.testing.assert_allclose(many.params[0].weight[k], alone.params[0].weight, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("members", [1, 64, 1024])
@pytest.mark.parametrize("options", [{}, {"metrics": ("mse",)}], ids=["loss", "metric"])
def test_what_evaluation_holds_at_once_is_bounded_over_all_members(members, options):
    rows, width = 4_096, 128
    model = jaxbm.MLP((FEATURES, width, 1))
    training = Training(
        loss="squared_error", epochs=1, batch_size=16, implementation="xla", validation_data=(X[:rows], Y[:rows]),
        **options,
    )  # fmt: skip
    setup = fit_members.prepare(KEY, model, X[:64], Y[:64], training, members)
    program = chunks.whole.lower(setup.task, setup.name, setup.keys, setup.own, setup.shared).compile()
    held = EVALUATION_ROWS_OF_ALL if members > 100 else members * rows
    outputs, states = 4 * 4 * members * rows, 10 * 4 * members * model.n_params
    assert program.memory_analysis().temp_size_in_bytes < 3 * 4 * held * width + outputs + states + (1 << 20)
    assert held * width * 3 < members * rows * width or members < 1024  # unbounded, it would show
