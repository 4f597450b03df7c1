from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from support.compiling import compilations

import jaxbm
from jaxbm.kernels.native import native
from jaxbm.optimizers import bias_correction, from_optax, to_optax

# 1000 steps of bfloat16, three digits each: the two orders of the same operations may differ in the last one.
TOLERANCE = {"float64": 1e-9, "float32": 2e-4, "bfloat16": 6e-2}
SCHEDULE = optax.cosine_decay_schedule(0.05, 800)
PAIRS = {
    "sgd": (jaxbm.sgd(0.01), optax.sgd(0.01)),
    "momentum": (jaxbm.sgd(0.01, momentum=0.9), optax.sgd(0.01, momentum=0.9)),
    "nesterov": (jaxbm.sgd(0.01, 0.9, nesterov=True), optax.sgd(0.01, 0.9, nesterov=True)),
    "sgd schedule": (jaxbm.sgd(SCHEDULE, 0.5), optax.sgd(SCHEDULE, 0.5)),
    "adam": (jaxbm.adam(0.01), optax.adam(0.01)),
    "adam options": (jaxbm.adam(0.01, 0.8, 0.95, 1e-4, 1e-6), optax.adam(0.01, 0.8, 0.95, 1e-4, 1e-6)),
    "nadam": (jaxbm.adam(0.01, nesterov=True), optax.adam(0.01, nesterov=True)),
    "adam schedule": (jaxbm.adam(SCHEDULE), optax.adam(SCHEDULE)),
    "adamw": (jaxbm.adamw(0.01, weight_decay=0.1), optax.adamw(0.01, weight_decay=0.1)),
    "clipped": (
        optax.chain(jaxbm.clip_by_global_norm(0.5), jaxbm.adam(0.01)),
        optax.chain(optax.clip_by_global_norm(0.5), optax.adam(0.01)),
    ),
    "multi steps": (
        optax.MultiSteps(jaxbm.adam(0.01), 4).gradient_transformation(),
        optax.MultiSteps(optax.adam(0.01), 4).gradient_transformation(),
    ),
}


def descend(optimizer, params, steps, state=None):
    target = jax.tree.map(lambda p: jnp.full_like(p, 0.5), params)

    def step(carry, i):
        params, state = carry
        noise = 0.1 * jnp.sin(i.astype(jnp.float32))
        grads = jax.tree.map(lambda p, t: (p - t + noise.astype(p.dtype)).astype(p.dtype), params, target)
        updates, state = optimizer.update(grads, state, params)
        return (optax.apply_updates(params, updates), state), None

    state = optimizer.init(params) if state is None else state
    return jax.jit(lambda c: jax.lax.scan(step, c, jnp.arange(steps))[0])((params, state))


def start(dtype):
    rng = np.random.default_rng(0)
    return {
        "w": jnp.asarray(rng.normal(size=(3, 4)), dtype),
        "b": jnp.asarray(rng.normal(size=4), dtype),
        "none": None,
    }


@pytest.mark.promotes  # Optax does
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
@pytest.mark.parametrize("name", sorted(PAIRS))
def test_agrees_with_optax_over_1000_steps(name, dtype):
    with jax.enable_x64(dtype == "float64"):
        ours, theirs = (descend(optimizer, start(dtype), 1000)[0] for optimizer in PAIRS[name])
        for got, want in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
            assert got.dtype == dtype
            np.testing.assert_allclose(
                got.astype(float), want.astype(float), rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype]
            )


@pytest.mark.promotes  # Optax does
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_narrower_first_moment_agrees_with_optax(dtype):
    with jax.enable_x64(dtype == "float64"):
        ours, state = descend(jaxbm.adam(0.01, mu_dtype="bfloat16"), start(dtype), 1000)
        theirs, _ = descend(optax.adam(0.01, mu_dtype="bfloat16"), start(dtype), 1000)
        assert {leaf.dtype.name for leaf in jax.tree.leaves(state.mu)} == {"bfloat16"}
        assert {leaf.dtype.name for leaf in jax.tree.leaves(state.nu)} == {dtype}
        for got, want in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
            # A mean kept in 8 bits: the last one may differ from step to step.
            np.testing.assert_allclose(got, want, atol=1e-2)


def test_first_adam_step_is_the_learning_rate_by_hand():
    optimizer = jaxbm.adam(0.1)
    updates, state = optimizer.update(jnp.asarray([3.0, -0.02]), optimizer.init(jnp.zeros(2)))
    np.testing.assert_allclose(updates, [-0.1, 0.1], rtol=1e-5)
    np.testing.assert_allclose(state.mu, [0.3, -0.002], rtol=1e-6)
    np.testing.assert_allclose(state.nu, [0.009, 4e-7], rtol=1e-4)


def test_a_sweep_is_a_vmap_over_the_optimizer():
    rates = jnp.asarray([0.1, 0.01, 0.001])
    params = {"w": jnp.ones(2)}

    def run(optimizer):
        return descend(optimizer, params, 5)[0]["w"]

    sweep = jaxbm.adam(rates, b1=jnp.asarray([0.9, 0.8, 0.7]))
    axes = jax.tree.map(lambda leaf: 0 if jnp.ndim(leaf) else None, sweep)
    many = jax.vmap(run, in_axes=(axes,))(sweep)
    for i, b1 in enumerate((0.9, 0.8, 0.7)):
        np.testing.assert_allclose(many[i], run(jaxbm.adam(rates[i], b1=b1)), rtol=1e-6)


@pytest.mark.promotes  # Optax does
def test_states_convert_both_ways_and_go_on():
    params = {"w": jnp.asarray([1.0, -2.0])}
    ours, theirs = jaxbm.adam(0.01), optax.adam(0.01)
    middle, state = descend(ours, params, 50)
    their_state = (to_optax(state), theirs.init(params)[1])
    end_theirs, their_end_state = descend(theirs, middle, 50, their_state)
    end_ours, our_end_state = descend(ours, middle, 50, state)
    np.testing.assert_allclose(end_ours["w"], end_theirs["w"], rtol=1e-5)
    back = from_optax(their_end_state)
    assert int(back.count) == int(our_end_state.count) == 100
    np.testing.assert_allclose(back.mu["w"], our_end_state.mu["w"], rtol=1e-4)
    with pytest.raises(ValueError, match=r"expected one optax.ScaleByAdamState inside, got 0"):
        from_optax(optax.sgd(0.1).init(params))


def test_bias_correction_is_accurate_in_float32():
    for decay in (0.0, 0.9, 0.999, 0.99999):
        for count in (1, 2, 10, 1000, 10**6):
            exact = -np.expm1(count * np.log(np.float64(np.float32(decay)))) if decay else 1.0
            assert float(bias_correction(decay, jnp.asarray(count))) == pytest.approx(exact, rel=1e-6)


def test_a_second_step_never_recompiles():
    optimizer, params = jaxbm.adam(1e-3), {"w": jnp.ones(3)}
    step = jax.jit(lambda o, s, p: o.update(p, s, p))
    _, state = step(optimizer, optimizer.init(params), params)
    step(optimizer, state, params)
    step(jaxbm.adam(5e-4), state, params)
    assert step._cache_size() == 1


def decaying(peak, count):
    return peak / (1 + count)


@jax.tree_util.register_dataclass
@dataclass
class Steps:
    """A schedule with an array of its own: `rates[i]` in step i, the last one from then on."""

    rates: jax.Array

    def __call__(self, count):
        return self.rates[jnp.minimum(count, self.rates.shape[0] - 1)]


@pytest.mark.promotes  # schedules do
def test_a_schedule_that_is_a_pytree_is_data():
    partial = jax.tree_util.Partial(decaying, jnp.asarray(0.5))
    leaves = jax.tree.leaves(jaxbm.sgd(partial))
    assert leaves == [0.5]
    assert not jax.tree.leaves(jaxbm.sgd(SCHEDULE))
    params = {"w": jnp.ones(2)}
    for schedule in (partial, Steps(0.5 / (1 + jnp.arange(100)))):
        got = descend(jaxbm.sgd(schedule), params, 20)[0]
        want = descend(jaxbm.sgd(lambda count: decaying(0.5, count)), params, 20)[0]
        np.testing.assert_allclose(got["w"], want["w"], rtol=1e-6)
    step = jax.jit(lambda o, s: o.update(params, s))
    for peak in (0.1, 0.2):
        optimizer = jaxbm.adam(jax.tree_util.Partial(decaying, peak))
        updates, _ = step(optimizer, optimizer.init(params))
        np.testing.assert_allclose(updates["w"], -peak, rtol=1e-5)
    assert step._cache_size() == 1


@pytest.mark.promotes  # schedules do
@pytest.mark.parametrize(("implementation", "build"), [("xla", jaxbm.adam), ("cpu", jaxbm.adam), ("cpu", jaxbm.sgd)])
def test_a_sweep_over_the_parameters_of_a_schedule(implementation, build):
    if implementation == "cpu" and native().reason is not None:
        pytest.skip(native().reason)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(50, 3)).astype(np.float32), rng.normal(size=50).astype(np.float32)

    def run(schedule):
        options = {"loss": "squared_error", "epochs": 3, "batch_size": 16, "implementation": implementation}
        model = jaxbm.MLP((3, 4, 1))
        return jaxbm.fit(jax.random.key(0), model, x, y, optimizer=build(schedule), **options).history["loss"]

    peaks = jnp.asarray([0.02, 0.1])
    many = jax.jit(jax.vmap(lambda peak, rates: (run(jax.tree_util.Partial(decaying, peak)), run(Steps(rates)))))(
        peaks, peaks[:, None] / (1 + jnp.arange(12))
    )
    run(jax.tree_util.Partial(decaying, 0.05))
    for i, peak in enumerate((0.02, 0.1)):
        with compilations() as compiled:
            alone = run(jax.tree_util.Partial(decaying, peak))
        assert compiled == []
        for together in many:
            np.testing.assert_allclose(together[i], alone, rtol=1e-5)


@pytest.mark.parametrize(
    ("build", "match"),
    [
        (lambda: jaxbm.adam(-1.0), "learning_rate: expected a nonnegative number, got -1.0"),
        (lambda: jaxbm.adam(b1=1.0), r"b1: expected a number in \[0, 1\), got 1.0"),
        (lambda: jaxbm.sgd(0.1, momentum=-0.1), "momentum"),
        (lambda: jaxbm.adamw(weight_decay=-1), "weight_decay"),
        (lambda: jaxbm.clip_by_global_norm(-1), "max_norm"),
        (lambda: jaxbm.adamw().update(jnp.ones(1), jaxbm.adamw().init(jnp.ones(1))), "params: expected"),
    ],
)
def test_bad_input(build, match):
    with pytest.raises(ValueError, match=match):
        build()


@pytest.mark.promotes  # Optax does
@pytest.mark.parametrize("name", ["sgd", "adam", "adamw"])
def test_numbers_of_any_make_are_parameters_as_for_optax(name):
    """Python's numbers, NumPy's, integers; none at all."""
    params = {"a": 1.0, "b": np.ones(2, np.float32), "c": jnp.arange(3), "d": None, "e": ()}
    grads = {"a": 0.5, "b": np.float32(2) * np.ones(2, np.float32), "c": jnp.ones(3, int), "d": None, "e": ()}
    results = []
    for library in (jaxbm, optax):
        if library is optax:  # it keeps means of integers' gradients as integers
            params, grads = (tree | {"c": tree["c"].astype(jnp.float32)} for tree in (params, grads))
        optimizer, updates = getattr(library, name)(0.1, **({"momentum": 0.9} if name == "sgd" else {})), []
        state = optimizer.init(params)
        for _ in range(2):
            step, state = optimizer.update(grads, state, params)
            updates.append(step)
        results.append((updates, library.apply_updates({**params, "c": jnp.ones(3)}, step)))
    assert jax.tree.structure(results[0]) == jax.tree.structure(results[1])
    for ours, theirs in zip(*map(jax.tree.leaves, results), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=3e-5)  # Optax's 1 - 0.999**n has lost digits
    clipped, _ = jaxbm.clip_by_global_norm(1.0).update({"a": 3.0, "b": 4}, ())
    np.testing.assert_allclose([clipped["a"], clipped["b"]], [0.6, 0.8], rtol=1e-6)
    assert jaxbm.apply_updates(jnp.arange(3), jnp.full(3, 1.5)).tolist() == [1, 2, 3]


@pytest.mark.promotes  # Optax does
def test_complex_parameters_agree_with_optax():
    start = jnp.asarray([1 + 2j, -3 + 0.5j, 0.1 - 1j], "complex64")
    pairs = (
        (jaxbm.adam(0.1), optax.adam(0.1)),
        (jaxbm.adam(0.1, nesterov=True), optax.nadam(0.1)),
        (jaxbm.adamw(0.1, weight_decay=0.1), optax.adamw(0.1, weight_decay=0.1)),
        (jaxbm.sgd(0.1, 0.9, nesterov=True), optax.sgd(0.1, 0.9, nesterov=True)),
    )
    for ours, theirs in pairs:
        ends = []
        for optimizer in (ours, theirs):
            params, state = start, optimizer.init(start)
            for _ in range(20):
                updates, state = optimizer.update(params - (1 + 1j), state, params)
                params = optax.apply_updates(params, updates)
            ends.append(params)
        np.testing.assert_allclose(*ends, rtol=1e-4)
    assert jaxbm.adam().init(start).nu.dtype == "float32"


def test_complex_gradients_are_clipped_by_their_size():
    clipped, _ = jaxbm.clip_by_global_norm(1.0).update(jnp.asarray([3j, 4.0 + 0j]), optax.EmptyState())
    np.testing.assert_allclose(clipped, [0.6j, 0.8], rtol=1e-6)


@pytest.mark.promotes  # Optax does
@pytest.mark.parametrize("dtype", ["bfloat16", "float32", "float16"])
@pytest.mark.parametrize("nesterov", [False, True])
def test_an_accumulator_of_another_dtype_agrees_with_optax(dtype, nesterov):
    options = {"momentum": 0.9, "nesterov": nesterov, "accumulator_dtype": dtype}
    params = jnp.asarray([1.0, -2.0, 0.3], "float32")
    (ours, state), (theirs, _) = (descend(make(0.05, **options), params, 100) for make in (jaxbm.sgd, optax.sgd))
    assert state.trace.dtype == dtype
    # Ours rounds the sum alone to the narrow type, Optax the product as well.
    np.testing.assert_allclose(ours, theirs, atol={"float32": 1e-6, "float16": 2e-3, "bfloat16": 2e-2}[dtype])


@pytest.mark.parametrize("implementation", [None, "xla"])
def test_an_accumulator_of_another_dtype_trains(implementation):
    options = {"optimizer": jaxbm.sgd(0.1, 0.9, accumulator_dtype="bfloat16"), "loss": "squared_error", "epochs": 1}
    x, y, model = jnp.ones((8, 2)), jnp.ones(8), jaxbm.MLP((2, 3, 1))
    found = jax.eval_shape(
        lambda k: jaxbm.fit(k, model, x, y, implementation=implementation, **options), jax.random.key(0)
    )
    assert {leaf.dtype.name for leaf in jax.tree.leaves(found.opt_state.trace)} == {"bfloat16"}
    assert {leaf.dtype.name for leaf in jax.tree.leaves(found.params)} == {"float32"}


def test_the_last_steps_that_a_counter_can_count():
    for optimizer in (jaxbm.adam(0.1, nesterov=True), jaxbm.adam(0.1)):
        for count in (2**31 - 3, 2**31 - 2, 2**31 - 1):
            state = optimizer.init(jnp.ones(2))._replace(count=jnp.asarray(count, jnp.int32))
            state = state._replace(mu=jnp.ones(2), nu=jnp.ones(2))
            updates, after = optimizer.update(jnp.ones(2), state)
            np.testing.assert_allclose(updates, -0.1, rtol=1e-5)
            assert int(after.count) == min(count + 1, 2**31 - 1)


@pytest.mark.parametrize(
    ("build", "match"),
    [
        (lambda: jaxbm.sgd("0.1"), "learning_rate: expected a number or an array of numbers, got str"),
        (lambda: jaxbm.adam(None), "learning_rate: expected a number .*, got NoneType"),
        (lambda: jaxbm.adam([0.1, 0.2]), "learning_rate: expected a number .*, got list"),
        (lambda: jaxbm.adamw(weight_decay=None), "weight_decay: .*NoneType"),
        (lambda: jaxbm.adam(b1="0.9"), "b1: expected a number .*, got str"),
        (lambda: jaxbm.adam(0.1 + 1j), "learning_rate: .*complex"),
        (lambda: jaxbm.sgd(0.1, np.asarray(["0.9"])), "momentum: .*got dtype <U3"),
        (lambda: jaxbm.clip_by_global_norm(None), "max_norm: .*NoneType"),
    ],
)
def test_what_is_no_number_is_refused_at_once(build, match):
    with pytest.raises(TypeError, match=match):
        build()


def test_a_kernel_refuses_an_accumulator_of_another_dtype():
    if native().reason is not None:
        pytest.skip(native().reason)
    x, y = jnp.ones((8, 2)), jnp.ones(8)
    with pytest.raises(NotImplementedError, match="accumulated gradient in float32"):
        jaxbm.fit(
            jax.random.key(0), jaxbm.MLP((2, 3, 1)), x, y, loss="squared_error", epochs=1, implementation="cpu",
            optimizer=jaxbm.sgd(0.1, 0.9, accumulator_dtype="bfloat16"),
        )  # fmt: skip
