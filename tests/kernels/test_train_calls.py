"""A training run by the compiled kernel among others: early stopping, members, transformations, threads, refusals."""

import threading

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from support.reference import table

import jaxbm
from jaxbm.core import counter
from jaxbm.kernels import native
from jaxbm.kernels.mlp import train as cpu
from jaxbm.run import contract, loop

needs_native = pytest.mark.skipif(native.native().reason is not None, reason="the kernels are not compiled here")
KEY = jax.random.key(7)


def both(**options):
    x, y = table(200, 5, 1, "sigmoid_binary_cross_entropy")
    model = jaxbm.MLP((5, 19, 1))
    arguments = {"loss": "sigmoid_binary_cross_entropy", "epochs": 30, "batch_size": 16, **options}
    return [jaxbm.fit(KEY, model, x, y[:, 0], implementation=name, **arguments) for name in ("cpu", "xla")]


@needs_native
@pytest.mark.parametrize(
    "options",
    [
        {"validation_split": 0.3},
        {"validation_split": 0.3, "patience": 2, "optimizer": jaxbm.adam(0.05)},
        {"patience": 3, "min_delta": 0.05},
        {"validation_split": 0.3, "metrics": ("accuracy", "roc_auc"), "patience": 4, "optimizer": jaxbm.adam(0.03)},
        {"validation_split": 0.2, "sample_weight": np.linspace(0, 1, 200, dtype=np.float32)},
        {"batch_size": 1000, "shuffle": False, "class_weight": "balanced"},
        {"progress": lambda done, epochs, history: None, "validation_split": 0.3, "patience": 3},
    ],
    ids=lambda o: "-".join(o),
)
def test_fit_is_the_same_run_on_either_path(options):
    ours, plain = both(**options)
    assert int(ours.best_epoch) == int(plain.best_epoch)
    assert int(ours.epochs_run) == int(plain.epochs_run)
    assert set(ours.history) == set(plain.history)
    for name, values in plain.history.items():
        np.testing.assert_allclose(ours.history[name], values, rtol=1e-3, atol=1e-4, err_msg=name)
    for a, b in zip(jax.tree.leaves(ours.params), jax.tree.leaves(plain.params), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-4)
    assert int(ours.opt_state.count) == int(plain.opt_state.count)


@needs_native
def test_a_run_that_blows_up_keeps_the_last_finite_epoch():
    x, y = table(64, 4, 1, "squared_error")
    model = jaxbm.MLP((4, 8, 1), activation="identity")
    for name in ("cpu", "xla"):
        with pytest.raises(jaxbm.NonFiniteError) as error:
            jaxbm.fit(
                KEY, model, x, y, loss="squared_error", optimizer=jaxbm.sgd(0.9), epochs=50, implementation=name
            )
        result = error.value.result
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(result.params))
        assert not np.isfinite(result.history["loss"][int(result.epochs_run) - 1])
        assert np.isfinite(result.history["loss"][: int(result.epochs_run) - 1]).all()


@needs_native
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_bad_numbers_spread_as_in_the_reference(bad):
    x, y = table(64, 4, 1, "squared_error")
    x[40, 2] = bad
    model = jaxbm.MLP((4, 8, 1))
    for name in ("cpu", "xla"):

        @jax.jit
        def run(x, name=name):
            return jaxbm.fit(KEY, model, x, y, loss="squared_error", epochs=3, implementation=name)

        result = run(x)
        assert (bool(result.finite), int(result.epochs_run)) == (False, 1)


def members(count, implementation, **options):
    x, y = table(120, 5, 1, "squared_error")
    model = jaxbm.MLP((5, 18, 7, 1))
    keys = jax.random.split(KEY, count)
    rates = jnp.linspace(1e-3, 1e-2, count)

    def one(key, rate):
        return jaxbm.fit(
            key, model, x, y, loss="squared_error", optimizer=jaxbm.adam(rate), epochs=4, batch_size=16,
            validation_split=0.2, patience=2, dropout=0.1, implementation=implementation, **options,
        )  # fmt: skip

    return one, keys, rates


def assert_same(a, b):
    for one, other in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_array_equal(one, other)


@needs_native
@pytest.mark.parametrize("count", [1, 2, 7, 64])
def test_a_member_among_many_is_bit_identical_to_itself_alone(count):
    one, keys, rates = members(count, "cpu")
    together = jax.jit(jax.vmap(one))(keys, rates)
    for k in {0, count // 2, count - 1}:
        assert_same(jax.tree.map(lambda leaf, k=k: leaf[k], together), jax.jit(one)(keys[k], rates[k]))


@needs_native
def test_nested_and_partly_mapped_vmap():
    one, keys, rates = members(6, "cpu")
    flat = jax.vmap(one)(keys, rates)
    grid = jax.vmap(jax.vmap(one))(keys.reshape(2, 3), rates.reshape(2, 3))
    assert_same(jax.tree.map(lambda leaf: leaf.reshape(6, *leaf.shape[2:]), grid), flat)
    product = jax.vmap(jax.vmap(one, (None, 0)), (0, None))(keys[:2], rates[:3])
    assert_same(jax.tree.map(lambda leaf: leaf[1, 2], product), one(keys[1], rates[2]))


@needs_native
@pytest.mark.parametrize("sizes", [(20, 64, 32, 1), (40, 130, 70, 5)])
@pytest.mark.parametrize("clip_norm", [None, 0.1])
def test_bit_identical_whatever_the_number_of_threads(monkeypatch, sizes, clip_norm):
    loss = "squared_error"
    x, y = table(301, sizes[0], sizes[-1], loss)
    results = []
    for threads in (1, 2):
        monkeypatch.setattr(cpu, "THREADS", threads)
        jax.clear_caches()
        results.append(
            jaxbm.fit(
                KEY,
                jaxbm.MLP(sizes),
                x,
                y,
                loss=loss,
                epochs=3,
                batch_size=64,
                validation_split=0.2,
                l2=1e-4,
                clip_norm=clip_norm,
                sample_weight=np.linspace(0, 1, 301),
                dropout=0.2,
                implementation="cpu",
            )
        )
    jax.clear_caches()
    assert_same(*results)


@needs_native
def test_a_run_can_be_continued_exactly():
    x, y = table(100, 5, 1, "squared_error")
    model = jaxbm.MLP((5, 16, 1))
    task = contract.Task(model, jaxbm.losses.squared_error, 16, 9)
    hyper = contract.Hyper(optimizer=jaxbm.adam(1e-2), patience=jnp.int32(3), min_delta=jnp.float32(0))
    data = contract.Data(jnp.asarray(x), jnp.asarray(y), None, jnp.asarray(x[:30]), jnp.asarray(y[:30]))
    state = loop.init(task, model.init(KEY), None, data, hyper)
    words = counter.words(KEY)
    whole = cpu.run(task, state, data, hyper, words)
    half = cpu.run(task, state, data, hyper, words, jnp.int32(4))
    assert int(half.epoch) == 4
    assert_same(cpu.run(task, half, data, hyper, words, jnp.int32(9)), whole)
    # A finished member is left as it is.
    assert_same(cpu.run(task, whole._replace(active=jnp.asarray(False)), data, hyper, words).params, whole.params)


@needs_native
def test_grad_through_a_run_takes_the_xla_path():
    x, y = table(40, 3, 1, "squared_error")
    model = jaxbm.MLP((3, 5, 1), activation="tanh")

    def final_loss(rate, name):
        return jaxbm.fit(
            KEY, model, x, y, loss="squared_error", optimizer=jaxbm.sgd(rate), epochs=2, implementation=name
        ).history["loss"][-1]

    ours, plain = (jax.grad(final_loss)(0.05, name) for name in ("cpu", "xla"))
    np.testing.assert_allclose(ours, plain, rtol=1e-5)
    each = jax.vmap(jax.grad(lambda rate: final_loss(rate, "cpu")))(jnp.asarray([0.05, 0.1]))
    np.testing.assert_allclose(each[0], plain, rtol=1e-4)


@needs_native
def test_scan_export_and_other_platforms():
    one, keys, rates = members(3, "cpu")
    scanned = jax.jit(lambda k, r: jax.lax.scan(lambda c, a: (c, one(*a).params), 0, (k, r))[1])(keys, rates)
    assert_same(scanned, jax.vmap(one)(keys, rates).params)
    function = jax.jit(lambda key, rate: jax.tree.leaves(one(key, rate).params))
    allowed = [jax.export.DisabledSafetyCheck.custom_call("jaxbm_train")]
    exported = jax.export.export(function, disabled_checks=allowed)(keys[0], rates[0])
    back = jax.export.deserialize(exported.serialize())
    assert_same(back.call(keys[0], rates[0]), jax.tree.leaves(one(keys[0], rates[0]).params))
    # Lowered for another platform, the same function holds no call of a CPU kernel.
    elsewhere = jax.export.export(function, platforms=["cuda"])(keys[0], rates[0])
    assert "jaxbm_train" not in elsewhere.mlir_module()


@needs_native
@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"loss": "log_cosh"}, "does not know the loss 'log_cosh'"),
        pytest.param(
            {"loss": "squared_error", "optimizer": optax.adam(1e-3)},
            "sgd, adam and adamw only",
            marks=pytest.mark.promotes,  # Optax does
        ),
        ({"loss": "squared_error", "augment": jaxbm.augment.GaussianNoise(0.1)}, "does not augment"),
        ({"loss": "squared_error", "model": jaxbm.MLP((3, 4, 1), dtype="bfloat16")}, "float32"),
        ({"loss": "squared_error", "model": jaxbm.MLP((3, 4, 1), output_activation="tanh")}, "output_activation"),
    ],
)
def test_a_named_implementation_never_falls_back(options, reason):
    x, y = table(40, 3, 1, "squared_error")
    model = options.pop("model", jaxbm.MLP((3, 4, 1)))
    with pytest.raises(NotImplementedError, match=reason):
        jaxbm.fit(KEY, model, x, y, implementation="cpu", epochs=1, **options)
    assert bool(jaxbm.fit(KEY, model, x, y, epochs=1, **options).finite)


@needs_native
@pytest.mark.parametrize("rows", [400, 407, 540])  # the last batch is whole, in the second half alone, in both
@pytest.mark.parametrize("options", [{}, {"clip_norm": 0.1, "dropout": 0.2}, {"optimizer": jaxbm.sgd(0.1)}], ids=str)
def test_gradients_in_two_halves_of_the_batch(monkeypatch, rows, options):
    """Few weights, large batches: two threads sum halves, and one sums the same two."""
    loss = "sigmoid_binary_cross_entropy"
    x, y = table(rows, 30, 1, loss)
    arguments = {"loss": loss, "epochs": 2, "batch_size": 200, "l2": 1e-2, "sample_weight": np.linspace(0, 1, rows)}

    def run(name="cpu", hidden=100, **more):
        return jaxbm.fit(
            KEY, jaxbm.MLP((30, hidden, 1)), x, y[:, 0], implementation=name, **arguments, **options, **more
        )

    plain, results = run("xla"), []
    for threads in (1, 2):
        monkeypatch.setattr(cpu, "THREADS", threads)
        jax.clear_caches()
        results.append(run())
    assert_same(results[0].params, results[1].params)
    assert_same(results[0].history, results[1].history)
    for a, b in zip(jax.tree.leaves(results[0].params), jax.tree.leaves(plain.params), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=2e-5)
    # Among wider networks, too narrow for halves and wide enough for them.
    models = [jaxbm.MLP((30, hidden, 1)) for hidden in (16, 100, 260)]
    many = jaxbm.fit_members([KEY] * 3, models, x, y[:, 0], members=3, implementation="cpu", **arguments, **options)
    assert_same(many.member(1).params, results[0].params)


@needs_native
def test_calls_from_several_python_threads():
    one, keys, rates = members(4, "cpu")
    function, results = jax.jit(one), {}
    expected = [function(k, r) for k, r in zip(keys, rates, strict=True)]

    def work(i):
        results[i] = [function(keys[i], rates[i]) for _ in range(20)]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i in range(4):
        for result in results[i]:
            assert_same(result, expected[i])
