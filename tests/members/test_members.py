"""Many members in one call: each is what it would be alone."""

import os

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from support.children import python
from support.trees import assert_close

import jaxbm
from jaxbm.kernels import native
from jaxbm.members import chunks
from jaxbm.members.result import NonFiniteMembersWarning

IMPLEMENTATIONS = [
    pytest.param("cpu", marks=pytest.mark.skipif(native.native().reason is not None, reason="no compiled kernels")),
    "xla",
    pytest.param("program", marks=pytest.mark.skipif(
        jaxbm.kernels.status()["program"][:2] != "on", reason="native functions need llvmlite")),
]  # fmt: skip
RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 5)).astype(np.float32)
Y = (X @ RNG.normal(size=5) + 0.1 * RNG.normal(size=90)).astype(np.float32)
MODEL = jaxbm.MLP((5, 12, 1), activation="silu")
KEYS = jax.random.split(jax.random.key(3), 4)
OPTIONS = {"loss": "squared_error", "epochs": 3, "batch_size": 16}


def members(keys=KEYS, model=MODEL, x=X, y=Y, **options):
    return jaxbm.fit_members(keys, model, x, y, **{**OPTIONS, **options})


def alone(k, model=MODEL, x=X, y=Y, **options):
    return jaxbm.fit(KEYS[k], model, x, y, **{**OPTIONS, **options})


def assert_each_as_alone(many, implementation, own, shared=None):
    for k in (0, 1, 2, 3) if implementation == "cpu" else (2,):
        one = alone(k, implementation=implementation, **(shared or {}), **{n: v[k] for n, v in own.items()})
        assert_close(tuple(many.member(k)), tuple(one), implementation != "xla")


FOLDS = [np.arange(0, 40), np.arange(10, 35), np.arange(50, 90), np.asarray([3, 3, 5])]
OWN = {
    "seeds": {},
    "numbers": {
        "patience": np.asarray([1, 2, 1, 3]),
        "min_delta": np.asarray([0.5, 0.0, 1.0, 0]),
        "l2": np.asarray([0, 0.01, 0.1, 0]),
        "clip_norm": np.asarray([1.0, 0.1, 10, 0.01]),
        "dropout": np.asarray([0, 0.1, 0.3, 0.5]),
    },
    "weights": {"sample_weight": RNG.uniform(0, 2, (4, 90)).astype(np.float32)},
    "ragged rows": {"rows": FOLDS, "validation_rows": FOLDS[1:] + FOLDS[:1]},
    "rows": {"rows": RNG.integers(0, 90, (4, 50))},
    "own tables": {"x": np.stack([X, X + 1, X * 2, X[::-1]]), "y": np.stack([Y, Y, -Y, Y])},
}


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("own", OWN)
def test_every_member_is_what_it_is_alone(implementation, own):
    shared = {"validation_split": 0.2} if own in ("numbers", "own tables", "rows", "weights") else {}
    many = members(implementation=implementation, **OWN[own], **shared)
    assert isinstance(many, jaxbm.training.fit.FitResult)
    assert many.history["loss"].shape == (4, 3)
    assert_each_as_alone(many, implementation, OWN[own], shared)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_optimizer_epochs_and_metrics_of_ones_own(implementation):
    rates, epochs, decay = jnp.asarray([1e-3, 1e-2, 0.1, 3e-3]), np.asarray([2, 5, 1, 4]), jnp.asarray([0, 0.1, 0, 1])
    many = members(
        optimizer=jaxbm.adamw(rates, weight_decay=decay),
        epochs=epochs,
        metrics=["mae"],
        implementation=implementation,
    )
    for k in (3,):
        optimizer = jaxbm.adamw(rates[k], weight_decay=decay[k])
        one = alone(k, optimizer=optimizer, epochs=int(epochs[k]), metrics=["mae"], implementation=implementation)
        got, length = many.member(k), int(epochs[k])
        history = {name: values[:length] for name, values in got.history.items()}
        assert all(np.isnan(values[length:]).all() for values in got.history.values())
        assert_close(got.params, one.params, implementation != "xla")
        assert_close(history, one.history, False)
        assert int(got.epochs_run) == length


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_mixed_widths(implementation):
    activation = "sigmoid"  # of zero it is not zero: padding must be held there
    models = [jaxbm.MLP((5, *hidden, 1), activation) for hidden in [(8, 1), (3, 20), (12, 7), (8, 1)]]
    many = members(model=models, implementation=implementation, patience=2, optimizer=jaxbm.adamw(0.01))
    assert many.params[0].weight.shape == (4, 5, 12)
    assert many.model.sizes == (5, 12, 20, 1)
    for k, model in enumerate(models[:2]):
        one = alone(k, model=model, implementation=implementation, patience=2, optimizer=jaxbm.adamw(0.01))
        assert many.model_of(k) == model
        assert_close(tuple(many.member(k)), tuple(one), implementation == "cpu")


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_given_starts(implementation):
    first = members(implementation=implementation)
    second = members(params=first.params, opt_state=first.opt_state, implementation=implementation)
    shared = members(params=jax.tree.map(lambda a: a[1], first.params), implementation=implementation)
    for k in (3,):
        start = first.member(k)
        one = alone(k, params=start.params, opt_state=start.opt_state, implementation=implementation)
        assert_close(tuple(second.member(k)), tuple(one), implementation != "xla")
        one = alone(k, params=first.member(1).params, implementation=implementation)
        assert_close(tuple(shared.member(k)), tuple(one), implementation != "xla")


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_vmap_of_fit_is_the_same_also_nested(implementation):
    rates, lists = jnp.asarray([1e-3, 1e-2]), jnp.asarray(RNG.integers(0, 90, (3, 40)))

    def one(key, rows, rate):
        options = {**OPTIONS, "optimizer": jaxbm.adam(rate), "implementation": implementation}
        return jaxbm.fit(key, MODEL, X, Y, rows=rows, **options)

    over_rates = jax.vmap(one, (None, None, 0))
    over_folds = jax.vmap(over_rates, (None, 0, None))
    nested = jax.jit(jax.vmap(over_folds, (0, None, None)))(KEYS, lists, rates)
    flat = members(
        jnp.repeat(KEYS, 6),
        rows=np.tile(np.repeat(lists, 2, axis=0), (4, 1)),
        optimizer=jaxbm.adam(jnp.tile(rates, 12)),
        implementation=implementation,
    )
    assert_close(jax.tree.map(lambda a: a.reshape(24, *a.shape[3:]), nested), flat, implementation != "xla")


@pytest.mark.parametrize("implementation", [one for one in IMPLEMENTATIONS if one != "xla"])
def test_one_run_is_the_same_bits_wherever_it_is_called(implementation):
    # Two epochs of one batch: a scan of so few would be written out, with other roundings than a loop.
    options = {**OPTIONS, "epochs": 2, "batch_size": 100, "clip_norm": 0.5, "implementation": implementation}
    model = jaxbm.MLP((5, 16, 4, 1))
    fit = lambda key: tuple(jaxbm.fit(key, model, X[:3], Y[:3], **options))  # noqa: E731
    one = fit(KEYS[1])
    assert_close(jax.jit(fit)(KEYS[1]), one, True)
    assert_close(jax.tree.map(lambda leaf: leaf[1], jax.vmap(fit)(KEYS)), one, True)


def test_fit_members_itself_can_be_transformed():
    many = jax.jit(lambda keys, rates: tuple(members(keys, optimizer=jaxbm.adam(rates))))(KEYS, jnp.full(4, 1e-2))
    assert_close(many, tuple(members(optimizer=jaxbm.adam(jnp.full(4, 1e-2)))), False)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.filterwarnings("ignore::jaxbm.members.result.NonFiniteMembersWarning")
def test_a_member_that_explodes_is_frozen_reported_and_disturbs_nobody(implementation):
    rates = jnp.asarray([1e-2, 1e30, 1e-2, 1e-2])
    match = r"1 of 4 .* member 1 in epoch 0 \(learning_rate=1e\+30\)"
    with pytest.warns(NonFiniteMembersWarning, match=match) as told:
        many = members(optimizer=jaxbm.sgd(rates), implementation=implementation)
    assert told.pop(NonFiniteMembersWarning).filename == __file__
    np.testing.assert_array_equal(many.finite, [True, False, True, True])
    assert int(many.epochs_run[1]) == 1
    assert_close(many.member(1).params, MODEL.init(KEYS[1]), True)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(many.params))
    calm = members(optimizer=jaxbm.sgd(jnp.full(4, 1e-2)), implementation=implementation)
    for k in (0, 2, 3):
        assert_close(tuple(many.member(k)), tuple(calm.member(k)), implementation != "xla")
    assert many.best != 1


def test_one_key_and_a_number_of_members():
    many = members(jax.random.key(0), members=3)
    more = members(jax.random.key(0), members=4)
    assert_close(tuple(many.member(2)), tuple(more.member(2)), native.native().reason is None)
    assert len({float(w) for w in many.params[0].weight[:, 0, 0]}) == 3


def test_fit_itself_takes_a_number_of_members():
    several = jaxbm.fit(jax.random.key(0), MODEL, X, Y, members=3, bootstrap=True, **OPTIONS)
    many = members(jax.random.key(0), members=3, bootstrap=True)
    assert_close(tuple(several), tuple(many), native.native().reason is None)
    with pytest.raises(ValueError, match="progress: expected False with members"):
        jaxbm.fit(jax.random.key(0), MODEL, X, Y, members=3, progress=True, **OPTIONS)


@pytest.mark.skipif(native.native().reason is not None, reason="no compiled kernels")
def test_ten_thousand_members_take_their_own_state_and_little_more():
    code = """
import resource, jax, numpy as np, jaxbm
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
x = np.random.default_rng(0).normal(size=(16000, 20)).astype("float32")
model, rows = jaxbm.MLP((20, 64, 32, 1)), np.arange(64)
def train(members):
    options = {"epochs": 1, "batch_size": 64, "rows": rows, "patience": 2}
    return jaxbm.fit_members(jax.random.key(0), model, x, x[:, 0], members=members, loss="squared_error", **options)
jax.block_until_ready(tuple(train(2)))
before = peak()
many = train(10_000)
jax.block_until_ready(tuple(many))
state = sum(leaf.nbytes for leaf in jax.tree.leaves((many.params, many.params, many.opt_state)))
print(peak() - before, state)
"""
    above, state = (int(word) for word in python("-c", code).stdout.split())
    assert state > 10_000 * 4 * 3457 * 4
    assert above < 1.2 * state + 2**26


@pytest.mark.promotes  # Optax does
def test_an_optax_optimizer_takes_the_xla_path():
    many = members(optimizer=optax.adam(1e-2))
    assert_close(many.member(1).params, alone(1, optimizer=optax.adam(1e-2)).params, False)


def test_a_second_call_compiles_nothing():
    def compiled():
        return chunks.whole._cache_size(), chunks._begin._cache_size(), chunks._advance._cache_size()

    options = {"validation_split": 0.2, "patience": 2, "implementation": "xla"}
    members(optimizer=jaxbm.adam(jnp.full(4, 1e-2)), **options)
    members(optimizer=jaxbm.adam(jnp.full(4, 1e-2)))
    before = compiled()
    members(optimizer=jaxbm.adam(jnp.full(4, 1e-3)), **options)
    members(jax.random.split(jax.random.key(9), 4), optimizer=jaxbm.adam(jnp.full(4, 1e-3)), x=X + 1)
    assert compiled() == before


@pytest.mark.skipif(native.native().reason is not None, reason="no compiled kernels")
def test_a_new_process_and_one_thread_give_the_same_bits():
    code = """
import os, sys
if sys.argv[1] == "one": os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
import hashlib, jax, numpy as np, jaxbm
x = np.random.default_rng(0).normal(size=(50, 5)).astype("float32")
many = jaxbm.fit_members(jax.random.key(1), jaxbm.MLP((5, 8, 1)), x, x[:, 0], members=9, loss="squared_error")
print(hashlib.sha256(b"".join(np.asarray(a).tobytes() for a in jax.tree.leaves(many))).hexdigest())
"""
    seen = {
        python("-c", code, threads).stdout
        for threads in (["all", "one"] if hasattr(os, "sched_setaffinity") else ["all", "all again"])
    }
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"keys": jax.random.key(0)}, "members: expected how many"),
        ({"members": 3}, "members: expected 4, the number of keys, got 3"),
        ({"keys": np.zeros(3)}, "keys: expected JAX random keys"),
        ({"l2": np.zeros(3)}, r"l2: expected a number or shape \[4\], got \[3\]"),
        ({"optimizer": jaxbm.adam(np.ones(3))}, r"optimizer: expected a number or shape \[4\]"),
        ({"epochs": [1, 2]}, r"epochs: expected positive integers of shape \[4\]"),
        ({"epochs": [1, 2, 0, 1]}, "epochs: expected positive integers"),
        ({"rows": [[0, 1]]}, "rows: expected 4 arrays"),
        ({"rows": np.zeros((3, 2), int)}, r"rows: expected shape \[k\] or \[4, k\], got \[3, 2\]"),
        ({"rows": [[0], [1], [2], [90]]}, "rows: expected 0 to 89, got 90"),
        ({"rows": [[0], [1], [2], [3]], "validation_split": 0.5}, "validation_split: 0.5 of 1 rows of member 0"),
        ({"validation_split": 0.2, "validation_rows": [1]}, "expected one way to validate"),
        ({"model": [MODEL, MODEL]}, "model: expected one model or 4"),
        (
            {"model": [MODEL, MODEL, MODEL, jaxbm.MLP((5, 3, 2, 1), "silu")]},
            "differ in hidden widths only, but sizes",
        ),
        ({"params": MODEL.init(KEYS[0])[:1]}, "params: expected a tree like"),
        ({"x": np.zeros((3, 90, 5))}, r"x: expected shape \[n, 5\] or \[4, n, 5\]"),
        ({"patience": 0}, "patience: expected 1"),
    ],
)
def test_bad_arguments(options, match):
    with pytest.raises((ValueError, TypeError), match=match):
        members(**options)
