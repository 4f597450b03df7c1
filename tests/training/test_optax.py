"""Every public optimizer of Optax works in `fit`, with the loss, the gradient and their function where it asks."""

import inspect

import jax
import numpy as np
import optax
import optax.contrib
import pytest

import jaxbm

pytestmark = pytest.mark.promotes  # Optax does
X = np.random.default_rng(0).normal(size=(24, 3)).astype(np.float32)
Y = X[:, 0]
MODEL, KEY = jaxbm.MLP((3, 4, 1)), jax.random.key(0)
RUN = {"loss": "squared_error", "epochs": 3, "batch_size": 8}

#: What needs more than a learning rate.
COMPOSED = {
    "MultiSteps": lambda: optax.MultiSteps(optax.adam(1e-2), 2),
    "lbfgs": optax.lbfgs,
    "backtracking": lambda: optax.chain(optax.sgd(1.0), optax.scale_by_backtracking_linesearch(8, store_grad=True)),
    "polyak_sgd": lambda: optax.polyak_sgd(max_learning_rate=0.1),
    "reduce_on_plateau": lambda: optax.chain(optax.adam(1e-2), optax.contrib.reduce_on_plateau()),
    "inject_hyperparams": lambda: optax.inject_hyperparams(optax.adam)(learning_rate=0.01),
    "add_noise": lambda: optax.chain(optax.sgd(0.01), optax.add_noise(0.1, 0.1, 0)),
    "apply_if_finite": lambda: optax.apply_if_finite(optax.adam(0.01), 3),
    "schedule_free": lambda: optax.contrib.schedule_free(optax.sgd(0.01), learning_rate=0.01),
    "mechanize": lambda: optax.contrib.mechanize(optax.adam(0.01)),
    "masked": lambda: optax.masked(optax.sgd(0.01), True),
    "a chain with ours": lambda: optax.chain(jaxbm.clip_by_global_norm(1.0), jaxbm.sgd(0.01)),
}
#: Not for `fit`, each with its reason.
EXCUSED = {
    "dpsgd": "takes a gradient for each example",
    "differentially_private_aggregate": "takes a gradient for each example",
}


def with_a_learning_rate():
    """Every public function of Optax that makes a transformation from a learning rate alone."""
    made = {}
    for module in (optax, optax.contrib):
        for name, function in vars(module).items():
            if name.startswith("_") or inspect.isclass(function) or not inspect.isfunction(function):
                continue
            parameters = inspect.signature(function).parameters
            needed = {p.name for p in parameters.values() if p.default is p.empty and p.kind is not p.VAR_KEYWORD}
            if "learning_rate" in parameters and needed <= {"learning_rate"}:
                made[f"{module.__name__}.{name}"] = function
    return made


MADE = with_a_learning_rate()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [*MADE, *COMPOSED])
def test_an_optimizer_of_optax_fits(name):
    optimizer = COMPOSED[name]() if name in COMPOSED else MADE[name](learning_rate=0.01)
    # Shapes and types are all that can go wrong: nothing is compiled, so that every optimizer can be tried.
    result = jax.eval_shape(lambda key: jaxbm.fit(key, MODEL, X, Y, optimizer=optimizer, **RUN), KEY)
    assert result.history["loss"].shape == (3,)
    many = jax.eval_shape(lambda key: jaxbm.fit(key, MODEL, X, Y, optimizer=optimizer, members=2, **RUN), KEY)
    assert many.history["loss"].shape == (2, 3)


def test_most_of_optax_is_tried():
    assert len(MADE) > 40
    assert not set(EXCUSED) & {name.split(".")[-1] for name in MADE}


@pytest.mark.parametrize("name", ["MultiSteps", "lbfgs", "backtracking", "polyak_sgd"])
def test_it_is_the_loop_that_optax_describes(name):
    optimizer = COMPOSED[name]()
    result = jaxbm.fit(KEY, MODEL, X, Y, optimizer=optimizer, **{**RUN, "batch_size": 24, "shuffle": False})
    params = MODEL.init(KEY)
    whole = optimizer.gradient_transformation() if hasattr(optimizer, "gradient_transformation") else optimizer
    whole, state = optax.with_extra_args_support(whole), whole.init(params)

    def objective(params):
        return jaxbm.losses.squared_error(MODEL.apply(params, X)[:, 0], Y).mean()

    @jax.jit
    def step(params, state):
        value, grad = jax.value_and_grad(objective)(params)
        updates, state = whole.update(grad, state, params, value=value, grad=grad, value_fn=objective)
        return optax.apply_updates(params, updates), state, value

    losses = []
    for _ in range(3):
        params, state, value = step(params, state)
        losses.append(value)
    np.testing.assert_allclose(result.history["loss"], losses, rtol=1e-4)


def test_lbfgs_takes_all_rows_for_each_member_as_alone():
    run = {**RUN, "optimizer": optax.lbfgs(), "batch_size": 24, "shuffle": False, "epochs": 15}
    keys = jax.random.split(KEY, 2)
    many = jaxbm.fit_members(keys, MODEL, X, Y, **run)
    losses = np.asarray(many.history["loss"])
    assert (losses[:, -1] < 1e-2 * losses[:, 0]).all()  # of a step without a search it would not be
    alone = jaxbm.fit(keys[1], MODEL, X, Y, **run)
    # Where hardly a loss is left, its rounding decides.
    np.testing.assert_allclose(losses[1, :8], alone.history["loss"][:8], rtol=1e-2)


def test_the_same_optimizer_compiles_once():
    optimizer = optax.MultiSteps(optax.adam(1e-2), 2)
    jaxbm.fit(KEY, MODEL, X, Y, optimizer=optimizer, **RUN)
    with jax.log_compiles(False):
        from jaxbm.training.whole_run import whole_run

        before = whole_run._cache_size()
        jaxbm.fit(KEY, MODEL, X, Y, optimizer=optimizer, **RUN)
        assert whole_run._cache_size() == before
