"""Every public optimizer of Optax works in `fit`, with the loss, the gradient and their function where it asks."""

import functools
import inspect
import types

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
    "reduce_on_plateau": lambda: optax.chain(optax.adam(1e-2), optax.contrib.reduce_on_plateau(patience=1, rtol=0.5)),
    "momo": lambda: optax.contrib.momo(0.1),
    "inject_hyperparams": lambda: optax.inject_hyperparams(optax.adam)(learning_rate=0.01),
    "add_noise": lambda: optax.chain(optax.sgd(0.01), optax.add_noise(0.1, 0.1, 0)),
    "apply_if_finite": lambda: optax.apply_if_finite(optax.adam(0.01), 3),
    "schedule_free": lambda: optax.contrib.schedule_free(optax.sgd(0.01), learning_rate=0.01),
    "mechanize": lambda: optax.contrib.mechanize(optax.adam(0.01)),
    "masked": lambda: optax.masked(optax.sgd(0.01), True),
    "a chain with ours": lambda: optax.chain(jaxbm.clip_by_global_norm(1.0), jaxbm.sgd(0.01)),
    "lookahead": lambda: optax.lookahead(optax.adam(0.05), sync_period=2, slow_step_size=0.5),
    "sam": lambda: optax.contrib.sam(optax.sgd(0.01), optax.contrib.normalize(), opaque_mode=False),
    "sam_opaque": lambda: optax.contrib.sam(
        optax.sgd(0.01), optax.chain(optax.contrib.normalize(), optax.sgd(0.05)), opaque_mode=True
    ),
    "noise of a key": lambda: optax.chain(optax.sgd(0.01), optax.add_noise(0.1, 0.1, jax.random.key(0))),
}
#: What other functions of Optax are given, that make a transformation but not by a learning rate alone.
ARGUMENTS = {
    "adaptive_grad_clip": (0.1,),
    "clip": (1.0,),
    "clip_by_block_rms": (1.0,),
    "clip_by_global_norm": (1.0,),
    "conditionally_mask": (optax.identity(), lambda step: step < 2),
    "conditionally_transform": (optax.identity(), lambda step: step < 2),
    "ema": (0.9,),
    "flatten": (optax.sgd(0.1),),
    "freeze": (False,),
    "inject_stateful_hyperparams": (optax.identity,),
    "multi_transform": ({"a": optax.sgd(0.1)}, lambda params: jax.tree.map(lambda _: "a", params)),
    "partition": ({"a": optax.sgd(0.1)}, lambda params: jax.tree.map(lambda _: "a", params)),
    "scale": (0.5,),
    "scale_by_schedule": (optax.constant_schedule(0.5),),
    "scale_by_zoom_linesearch": (4,),
    "selective_transform": (optax.sgd(0.1),),
    "snapshot": ("norm", lambda updates, *_, **__: optax.global_norm(updates)),
    "split_real_and_imaginary": (optax.sgd(0.1),),
    "stateless": (lambda updates, params: updates,),
    "stateless_with_tree_map": (lambda update, param: update,),
    "trace": (0.9,),
    "with_extra_args_support": (optax.sgd(0.1),),
}
OPTIONS = {"selective_transform": {"freeze_mask": False}}
#: Not for `fit`, each with its reason.
EXCUSED = {
    "chain": "of nothing, it is no transformation",
    "inject_stateful_hyperparams": "as inject_hyperparams, of whose making it is",
    "measure_with_ema": "hands on what it measures, not the updates",
    "scale_by_muon": "is for matrices alone, which muon picks out",
    "dpsgd": "takes a gradient for each example",
    "differentially_private_aggregate": "takes a gradient for each example",
}


def is_maker(name, function):
    return not name.startswith("_") and isinstance(function, types.FunctionType | functools.partial)


def with_a_learning_rate():
    """Every public function of Optax that makes a transformation from a learning rate alone."""
    made = {}
    for module in (optax, optax.contrib):
        for name, function in vars(module).items():
            if not is_maker(name, function):
                continue
            parameters = inspect.signature(function).parameters
            needed = {p.name for p in parameters.values() if p.default is p.empty and p.kind is not p.VAR_KEYWORD}
            if "learning_rate" in parameters and needed <= {"learning_rate"}:
                made[f"{module.__name__}.{name}"] = function
    return made


MADE = with_a_learning_rate()


def others():
    """Every other public function of Optax that says that it makes a transformation."""
    tried = {name.split(".")[-1] for name in (*MADE, *COMPOSED)} | {"scale_by_backtracking_linesearch"}
    return {
        name: function
        for module in (optax, optax.contrib)
        for name, function in vars(module).items()
        if is_maker(name, function) and name not in {*tried, *EXCUSED}
        if "GradientTransformation" in str(inspect.signature(function).return_annotation)
    }


OTHERS = others()


def shapes(optimizer, model=MODEL):
    """Shapes and types are all that can go wrong: nothing is compiled, so that every optimizer can be tried."""
    return jax.eval_shape(lambda key: jaxbm.fit(key, model, X, Y, optimizer=optimizer, **RUN), KEY)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [*MADE, *COMPOSED])
def test_an_optimizer_of_optax_fits(name):
    optimizer = COMPOSED[name]() if name in COMPOSED else MADE[name](learning_rate=0.01)
    assert shapes(optimizer).history["loss"].shape == (3,)
    if name in COMPOSED:  # what is mapped doesn't depend on how a step is made
        many = jax.eval_shape(lambda key: jaxbm.fit(key, MODEL, X, Y, optimizer=optimizer, members=2, **RUN), KEY)
        assert many.history["loss"].shape == (2, 3)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("part", range(4))
def test_every_other_transformation_fits_in_a_chain(part):
    names = sorted(OTHERS)[part::4]
    links = [OTHERS[name](*ARGUMENTS.get(name, ()), **OPTIONS.get(name, {})) for name in names]
    assert shapes(optax.chain(*links), jaxbm.MLP((3, 1))).history["loss"].shape == (3,)


def test_all_of_optax_is_tried():
    assert len(MADE) > 40
    assert len(OTHERS) > 40
    assert not set(EXCUSED) & {name.split(".")[-1] for name in MADE}


@pytest.mark.parametrize(
    "name",
    ["MultiSteps", "lbfgs", "backtracking", "polyak_sgd", "momo", "reduce_on_plateau", "lookahead", "sam_opaque"],
)
def test_it_is_the_loop_that_optax_describes(name):
    optimizer = COMPOSED[name]()
    result = jaxbm.fit(KEY, MODEL, X, Y, optimizer=optimizer, **{**RUN, "batch_size": 24, "shuffle": False})
    params = MODEL.init(KEY)
    whole = optimizer.gradient_transformation() if hasattr(optimizer, "gradient_transformation") else optimizer
    if name == "lookahead":
        params = optax.LookaheadParams.init_synced(params)
    whole, state = optax.with_extra_args_support(whole), whole.init(params)

    def objective(params):
        return jaxbm.losses.squared_error(MODEL.apply(params, X)[:, 0], Y).mean()

    @jax.jit
    def step(params, state):
        value, grad = jax.value_and_grad(objective)(params.fast if name == "lookahead" else params)
        extra = {"value": value, "grad": grad, "value_fn": objective}
        if name == "sam_opaque":  # which takes no more than it says
            extra = {"grad_fn": lambda params, step: jax.grad(objective)(params)}
        updates, state = whole.update(grad, state, params, **extra)
        return optax.apply_updates(params, updates), state, value

    losses = []
    for _ in range(3):
        params, state, value = step(params, state)
        losses.append(value)
    np.testing.assert_allclose(result.history["loss"], losses, rtol=1e-4)
    kept = params.slow if name == "lookahead" else params  # which are those that Optax infers with
    np.testing.assert_allclose(result.params[0].weight, kept[0].weight, rtol=1e-3, atol=1e-6)


NO_PROGRAM = jaxbm.kernels.status()["program"][:2] != "on"


@pytest.mark.parametrize("implementation", ["xla", pytest.param(
    "program", marks=pytest.mark.skipif(NO_PROGRAM, reason="native functions need llvmlite"))])  # fmt: skip
def test_lookahead_goes_on_where_it_was(implementation):
    optimizer = optax.chain(optax.clip_by_global_norm(0.5), COMPOSED["lookahead"]())
    run = {**RUN, "optimizer": optimizer, "shuffle": False, "implementation": implementation}
    whole = jaxbm.fit(KEY, MODEL, X, Y, **{**run, "epochs": 6}, validation_data=(X, Y))
    first = jaxbm.fit(KEY, MODEL, X, Y, **run)
    second = jaxbm.fit(KEY, MODEL, X, Y, **run, params=first.params, opt_state=first.opt_state)
    np.testing.assert_allclose(second.params[0].weight, whole.params[0].weight, rtol=1e-5, atol=1e-7)
    slow = jaxbm.evaluate(MODEL, whole.params, X, Y, loss="squared_error")["loss"]
    np.testing.assert_allclose(whole.history["val_loss"][-1], slow, rtol=1e-5)


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


@pytest.mark.parametrize(
    ("update", "told"),
    [
        (lambda updates, state, params=None: (updates, {"mean": state, "more": state}), "mean besides"),
        (lambda updates, state, params=None: (updates, state[None]), r"shape \[1, 3\] for it, not \[3\]"),
        (lambda updates, state, params=None: (updates, None), "got none for it"),
        (lambda updates, state, params=None: (jax.tree.leaves(updates), state), "expected updates .* got 0 besides"),
        (
            lambda updates, state, params=None: (jax.tree.map(lambda u: u[None], updates), state),
            r"shape \[1, 3, 4\] for 0.weight, not \[3, 4\]",
        ),
    ],
)
def test_a_step_that_cannot_be_repeated_is_named(update, told):
    """`optax.monitor` is one: its state holds more after the first step."""
    optimizer = optax.GradientTransformation(lambda params: np.zeros(3), update)
    with pytest.raises(ValueError, match=f"optimizer: .*{told}"):
        jaxbm.fit(KEY, MODEL, X, Y, optimizer=optimizer, implementation="xla", **RUN)
