"""Runs that visit part of a table: lists and ranges of rows, bootstrap draws, own epochs and widths."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support import trees

import jaxbm
from jaxbm.core import counter
from jaxbm.kernels import native
from jaxbm.kernels.mlp import train as cpu
from jaxbm.run import contract, loop
from jaxbm.run.rows import bootstrap_draws

IMPLEMENTATIONS = [
    pytest.param("cpu", marks=pytest.mark.skipif(native.native().reason is not None, reason="no compiled kernels")),
    "xla",
]
RUNNERS = {"cpu": cpu.run, "xla": loop.run}
KEY = jax.random.key(3)
RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 5)).astype(np.float32)
Y = (X @ RNG.normal(size=5) + 0.1 * RNG.normal(size=90)).astype(np.float32)
WEIGHT = RNG.uniform(0, 2, 90).astype(np.float32)
MODEL = jaxbm.MLP((5, 17, 9, 1), activation="silu")
PART = RNG.permutation(90)[:41]
HELD_OUT = np.setdiff1d(np.arange(90), PART)[:20]


def fit(x=X, y=Y, **options):
    arguments = {"loss": "squared_error", "epochs": 5, "batch_size": 8, "optimizer": jaxbm.adam(0.01), **options}
    return jaxbm.fit(KEY, MODEL, x, y, **arguments)


def assert_close(a, b, exact):
    trees.assert_close(a, b, exact, rtol=2e-4, atol=2e-6)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_rows_are_the_same_run_as_a_table_of_these_rows(implementation):
    options = {"implementation": implementation, "metrics": ("mae",), "patience": 2}
    listed = fit(rows=PART, validation_rows=HELD_OUT, sample_weight=WEIGHT, **options)
    copied = fit(
        X[PART], Y[PART], sample_weight=WEIGHT[PART], validation_data=(X[HELD_OUT], Y[HELD_OUT], WEIGHT[HELD_OUT]),
        **options,
    )  # fmt: skip
    assert sorted(listed.history) == ["loss", "mae", "val_loss", "val_mae"]
    assert_close(listed.history, copied.history, False)  # XLA computes the metrics
    assert_close(listed._replace(history={}), copied._replace(history={}), implementation == "cpu")


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_a_validation_split_of_rows_takes_the_last_of_them(implementation):
    split = fit(rows=PART, validation_split=0.25, implementation=implementation)
    given = fit(rows=PART[:30], validation_rows=PART[30:], implementation=implementation)
    assert_close(split, given, True)


def test_balanced_class_weights_count_the_visited_rows():
    model, y = jaxbm.MLP((5, 4, 1)), (Y > 0.5).astype(np.float32)
    options = {"loss": "sigmoid_binary_cross_entropy", "epochs": 2, "class_weight": "balanced"}
    listed = jaxbm.fit(KEY, model, X, y, rows=PART, **options)
    copied = jaxbm.fit(KEY, model, X[PART], y[PART], **options)
    np.testing.assert_allclose(listed.history["loss"], copied.history["loss"], rtol=1e-5)


def test_balanced_class_weights_count_no_row_that_is_validated_on():
    """However it is held out: as a part of all rows, of those listed, or by list; of one run, members and groups."""
    model, y, n = jaxbm.MLP((5, 4, 1)), (np.linspace(-1, 1, 90) < Y).astype(np.float32), 67
    options = {"loss": "sigmoid_binary_cross_entropy", "epochs": 2, "class_weight": "balanced"}
    rows = np.arange(90)
    expected = jaxbm.fit(KEY, model, X, y, rows=rows[:n], validation_rows=rows[n:], **options).history
    found = {
        "split": jaxbm.fit(KEY, model, X, y, validation_split=0.25, **options).history,
        "split of rows": jaxbm.fit(KEY, model, X, y, validation_split=0.25, rows=rows, **options).history,
        "data": jaxbm.fit(KEY, model, X[:n], y[:n], validation_data=(X[n:], y[n:]), **options).history,
    }
    for name in ({}, {"rows": rows}, {"rows": [rows, rows]}):
        many = jaxbm.fit_members(jnp.stack([KEY, KEY]), model, X, y, validation_split=0.25, **name, **options)
        found["members", *name] = many.member(1).history
    for name, history in found.items():
        for value in ("loss", "val_loss"):
            np.testing.assert_allclose(history[value], expected[value], rtol=1e-5, err_msg=str(name))


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_members_share_a_table_and_differ_in_rows(implementation):
    rows = np.stack([RNG.permutation(90)[:30] for _ in range(3)])
    many = jax.jit(jax.vmap(lambda r: fit(rows=r, implementation=implementation)))(jnp.asarray(rows))
    for k in range(3):
        alone = fit(rows=rows[k], implementation=implementation)
        assert_close(jax.tree.map(lambda leaf, k=k: leaf[k], many), alone, implementation == "cpu")


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_bootstrap_is_training_on_the_rows_it_draws(implementation):
    drawn = fit(bootstrap=True, implementation=implementation)
    places = np.asarray(bootstrap_draws(counter.words(KEY), jnp.arange(90, dtype=jnp.uint32), 90)).astype(int)
    assert_close(drawn, fit(rows=places, implementation=implementation), True)
    assert len(set(places)) < 90
    many = np.asarray(bootstrap_draws(counter.words(KEY), jnp.arange(100_000, dtype=jnp.uint32), 10))
    counts = np.bincount(many.astype(int), minlength=10)
    assert ((counts - 10_000) ** 2 / 10_000).sum() < 30  # chi-squared with 9 degrees of freedom: p > 0.0004


def run_range(implementation, data, hyper=None, epochs=5, stop=None, model=MODEL, params=None, **task):
    task = contract.Task(model, jaxbm.losses.squared_error, 8, epochs, **task)
    hyper = hyper or contract.Hyper(optimizer=jaxbm.adam(0.01))
    state = loop.init(task, model.init(KEY) if params is None else params, None, data, hyper)
    run = RUNNERS[implementation]
    return jax.jit(lambda state, data, hyper: run(task, state, data, hyper, counter.words(KEY), stop))(
        state, data, hyper
    )


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize(("start", "count"), [(0, 1), (3, 7), (10, 8), (20, 41), (0, 60)])
def test_a_range_is_the_same_run_as_these_rows_alone(implementation, start, count):
    x, y = jnp.asarray(X), jnp.asarray(Y)
    end = start + count
    part = contract.Data(
        x, y, x_val=x, y_val=y, start=jnp.int32(start), count=jnp.int32(count), start_val=jnp.int32(60),
        count_val=jnp.int32(5),
    )  # fmt: skip
    ranged = run_range(implementation, part, most_rows=60, most_rows_val=30)
    plain = contract.Data(x[start:end], y[start:end], x_val=x[60:65], y_val=y[60:65])
    assert_close(ranged, run_range(implementation, plain), implementation == "cpu")
    listed = part._replace(rows=jnp.roll(jnp.arange(90, dtype=jnp.int32), 4), start=jnp.int32(start + 4))
    assert_close(run_range(implementation, listed, most_rows=60, most_rows_val=30), ranged, True)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_own_number_of_epochs(implementation):
    data = contract.Data(jnp.asarray(X), jnp.asarray(Y))
    hyper = contract.Hyper(optimizer=jaxbm.adam(0.01), epochs=jnp.int32(3))
    short, whole = run_range(implementation, data, hyper, epochs=7), run_range(implementation, data, epochs=3)
    assert_close(short.params, whole.params, implementation == "cpu")
    assert (int(short.epochs_run), int(short.epoch), bool(short.active)) == (3, 7, True)
    np.testing.assert_allclose(short.history["loss"][:3], whole.history["loss"], rtol=1e-5)
    assert np.isnan(short.history["loss"][3:]).all()


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
@pytest.mark.parametrize("options", [{}, {"dropout": 0.3, "clip_norm": 0.1, "l2": 0.01}], ids=["plain", "options"])
def test_padded_widths_are_exactly_the_narrow_network(implementation, activation, options):
    narrow, wide = (jaxbm.MLP(sizes, activation) for sizes in ((5, 7, 20, 1), (5, 33, 20, 1)))
    params = narrow.init(KEY)
    first, second, last = params
    padded = (
        first._replace(weight=jnp.pad(first.weight, ((0, 0), (0, 26))), bias=jnp.pad(first.bias, (0, 26))),
        second._replace(weight=jnp.pad(second.weight, ((0, 26), (0, 0)))),
        last,
    )
    numbers = {name: jnp.float32(value) for name, value in options.items()}
    hyper = contract.Hyper(optimizer=jaxbm.adamw(0.01, weight_decay=0.1), **numbers)
    data = contract.Data(jnp.asarray(X), jnp.asarray(Y))
    alone = run_range(implementation, data, hyper, model=narrow, params=params)
    within = run_range(
        implementation, data, hyper._replace(widths=jnp.asarray([5, 7, 20, 1], jnp.int32)), model=wide, params=padded
    )
    np.testing.assert_array_equal(within.params[0].weight[:, 7:], 0)
    np.testing.assert_array_equal(within.params[1].weight[7:], 0)
    cut = (within.params[0].weight[:, :7], within.params[1].weight[:7], within.params[2], within.history)
    same = (alone.params[0].weight, alone.params[1].weight, alone.params[2], alone.history)
    assert_close(cut, same, implementation == "cpu")


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"rows": [0, 90]}, r"rows: expected 0 to 89, got 90 at \[1\]"),
        ({"rows": [-1]}, "rows: expected 0 to 89, got -1"),
        ({"rows": [0.5]}, r"rows: expected integers of shape \[k\]"),
        ({"rows": np.zeros((2, 2), int)}, r"rows: expected integers of shape \[k\], got .* shape \[2, 2\]"),
        ({"validation_rows": []}, "validation_rows: expected integers"),
        ({"validation_rows": [1], "validation_split": 0.1}, "validation_split: expected one way to validate"),
    ],
)
def test_bad_rows(options, match):
    with pytest.raises(ValueError, match=match):
        fit(**options)
