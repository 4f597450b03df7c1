"""What `accelerate` and `explain` promise, whatever the function."""

import threading

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax import export, lax
from jax.sharding import PartitionSpec

import jaxbm
from jaxbm.kernels.program import table


def simulate(state, inputs):
    def step(carry, x):
        a, b = carry
        a = a + 0.1 * jnp.tanh(b @ a + x)
        return (a, b * 0.99), a.sum()

    return lax.scan(step, (state["a"], state["b"]), inputs)


def arguments(n=7):
    state = {"a": jnp.linspace(-1.0, 1.0, n), "b": jnp.eye(n) + 0.1}
    return state, jnp.linspace(0.0, 1.0, 11)


def assert_close(got, wanted, rtol=1e-5):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol, 1e-6), got, wanted)
    assert [x.weak_type for x in jax.tree.leaves(got)] == [x.weak_type for x in jax.tree.leaves(wanted)]


def test_pytrees_and_weak_types():
    assert_close(jaxbm.accelerate(simulate, require=True)(*arguments()), jax.jit(simulate)(*arguments()))
    f = lambda x: {"n": None, "x": [x * 2, 3.0 * jnp.ones(3)], "weak": lax.add(2.0, x)}  # noqa: E731
    assert_close(jaxbm.accelerate(f, require=True)(1.5), jax.jit(f)(1.5))


def test_is_a_decorator_with_static_arguments():
    @jaxbm.accelerate(require=True, static_argnums=1, static_argnames="flip")
    def power(x, n, *, flip=False):
        return (-x if flip else x) ** n

    assert float(power(2.0, 3)) == 8.0
    assert float(power(2.0, 3, flip=True)) == -8.0
    assert power.__name__ == "power"


@pytest.mark.parametrize("impl", ["threefry2x32", "rbg"])
def test_typed_keys_from_outside(impl):
    one, many = (
        jax.random.key(3, impl=impl),
        jax.random.split(jax.random.key(4), 600),
    )  # the latter go in at each call

    def f(x):
        return x + jax.random.key_data(one).sum() + jax.random.key_data(many)[:, 0].sum(), one

    got, wanted = (jax.random.key_data(g(jnp.uint32(1))[1]) for g in (jaxbm.accelerate(f, require=True), f))
    np.testing.assert_array_equal(got, wanted)
    assert jaxbm.accelerate(f, require=True)(jnp.uint32(1))[0] == f(jnp.uint32(1))[0]


def test_what_is_not_callable():
    with pytest.raises(TypeError, match="expected a function of arrays, got int"):
        jaxbm.accelerate(3)
    with pytest.raises(TypeError, match="expected a function of arrays, got int"):
        jaxbm.explain(3)


def test_side_effects_in_loops_are_not_native():
    def f(x):
        return lax.fori_loop(0, 3, lambda i, x: (jax.debug.print("{}", x), x * 2)[1], x)

    with pytest.raises(NotImplementedError, match=r"accelerate\(f, require=True\): it isn't native: debug"):
        jaxbm.accelerate(f, require=True)(1.0)


def test_reports_outside_loops_are_passed_on(capfd):
    heard = []

    @jax.jit
    def inner(x):
        jax.debug.print("inner {}", x, ordered=True)
        return x * 2

    def f(x, key):
        y = inner(jnp.sin(x))
        jax.debug.callback(lambda *v: heard.append([float(a) for a in v]), x, y.sum(), jnp.float32(7))
        jax.debug.print("last {}", jax.random.key_data(key)[1], ordered=True)
        return y + inner(y), jax.random.split(key)

    native, x, key = jaxbm.accelerate(f, require=True), jnp.float32(0.5), jax.random.key(5)
    assert_close(native(x, key)[0], 6 * jnp.sin(x))
    jax.effects_barrier()
    told = heard[:]
    assert [line.split()[0] for line in capfd.readouterr().out.splitlines()] == ["inner", "last", "inner"]
    f(x, key)
    jax.effects_barrier()
    np.testing.assert_allclose(told, heard[1:], rtol=1e-6)
    heard.clear()
    jax.vmap(native, (0, None))(jnp.arange(3.0), key)
    gradient = jax.grad(lambda x: native(x, key)[0])(x)
    jax.effects_barrier()
    assert sorted(h[0] for h in heard[:3]) == [0, 1, 2]
    assert_close(gradient, 6 * jnp.cos(x))
    assert jaxbm.explain(f)(x, key).native


def test_empty_constants():
    def f(x):
        return x * 2, np.zeros((20, 0), np.float32), x + np.zeros((0, 9), np.float32).sum()

    for a, b in zip(jaxbm.accelerate(f, require=True)(jnp.float32(3)), f(jnp.float32(3)), strict=True):
        np.testing.assert_array_equal(a, b)


def test_an_error_of_the_compiler_is_told_and_left_to_xla(monkeypatch):
    from jaxbm.kernels.program import build

    def fails(*args, **kwargs):
        raise IndexError("tuple index out of range")

    def f(x):
        return x * 2.5 - 1

    monkeypatch.setattr(build, "emit", fails)
    x = jnp.arange(3.0)
    with pytest.warns(UserWarning, match=r"accelerate\(f\).*please report it: IndexError: tuple index out of range"):
        np.testing.assert_array_equal(jaxbm.accelerate(f)(x), f(x))


def test_large_operations_stay_with_xla():
    def f(x, big):
        return lax.fori_loop(0, 9, lambda i, v: jnp.sin(v) + 0.1, x), big @ big

    x, big = jnp.float32(1.0), jnp.ones((600, 600))
    assert_close(jaxbm.accelerate(f)(x, big), jax.jit(f)(x, big))
    explanation = jaxbm.explain(f)(x, big)
    assert "large arrays" in explanation.reason
    assert explanation.parts[0].name == "scan"


def test_explain_reads_static_arguments_as_accelerate_does():
    f = jaxbm.accelerate(lambda x, n: x**n, static_argnums=1)
    explanation = jaxbm.explain(f)(2.0, 3)
    assert explanation.native
    assert "integer_pow y=3" in explanation.parts[0].listing


@pytest.mark.parametrize("typed", [True, False])
def test_random_keys(typed):
    def f(key):
        a, b = jax.random.split(key)
        numbers = jax.random.normal(a, (5,)), jax.random.randint(b, (40,), 0, 9), jax.random.bernoulli(a, 0.3, (3, 9))
        return numbers, jax.random.fold_in(b, 3), jax.vmap(jax.random.uniform)(jax.random.split(a, 20))

    key = jax.random.key(7) if typed else jax.random.PRNGKey(7)
    got, wanted = jaxbm.accelerate(f, require=True)(key), jax.jit(f)(key)
    assert_close(got[0][0], wanted[0][0], 1e-6)
    same = jax.tree.map(lambda a, b: bool((a == b).all()), (got[0][1:], got[1:]), (wanted[0][1:], wanted[1:]))
    assert jax.tree.all(same)
    assert got[1].dtype == wanted[1].dtype


def test_under_transformations():
    f, args = jaxbm.accelerate(simulate, require=True), arguments()
    loss = lambda state, g: g(state, args[1])[1].sum()  # noqa: E731
    assert_close(jax.jit(lambda *a: f(*a))(*args), jax.jit(simulate)(*args))
    assert_close(jax.grad(lambda s: loss(s, f))(args[0]), jax.grad(lambda s: loss(s, simulate))(args[0]), 1e-4)
    gradient = jax.grad(lambda s: loss(s, simulate))
    assert_close(jaxbm.accelerate(gradient, require=True)(args[0]), gradient(args[0]), 1e-4)
    assert_close(jax.jvp(f, args, args)[1], jax.jvp(simulate, args, args)[1], 1e-4)

    def looped(g):
        step = lambda c, _: (g({"a": c, "b": args[0]["b"]}, args[1])[0][0], None)  # noqa: E731
        return lax.scan(step, args[0]["a"], None, 3)

    assert_close(looped(f), looped(simulate), 1e-4)
    chosen = lambda g: lax.cond(args[1][0] < 1, lambda s: g(s, args[1])[1], lambda s: args[1] * 0, args[0])  # noqa: E731
    assert_close(chosen(f), chosen(simulate))
    hessian = jax.hessian(jaxbm.accelerate(lambda x: jnp.sin(x).sum(), require=True))
    np.testing.assert_allclose(hessian(jnp.ones(2)), -np.sin(1) * np.eye(2), 1e-6)


def test_inside_another_accelerated_function():
    inner = jaxbm.accelerate(simulate)
    outer = jaxbm.accelerate(lambda s, x: inner(s, x)[1] * 2, require=True)
    assert_close(outer(*arguments()), simulate(*arguments())[1] * 2)
    both = jaxbm.accelerate(jax.vmap(inner, (None, 0)), require=True)
    xs = jnp.ones((3, 11))
    assert_close(both(arguments()[0], xs), jax.vmap(simulate, (None, 0))(arguments()[0], xs))


@pytest.mark.parametrize("members", [1, 2, 300])
def test_members_have_the_same_bits_alone_and_together(members):
    f = jaxbm.accelerate(simulate, require=True)
    state, _ = arguments()
    inputs = jnp.asarray(np.random.default_rng(0).normal(size=(members, 11)), jnp.float32)
    together = jax.jit(jax.vmap(f, (None, 0)))(state, inputs)
    for k in {0, members // 2, members - 1}:
        alone = f(state, inputs[k])
        assert jax.tree.all(jax.tree.map(lambda a, b, k=k: bool((a[k] == b).all()), together, alone))


def test_vmap_of_vmap_shares_what_is_shared():
    f = jaxbm.accelerate(lambda a, b, c: a * 2 + b.sum() * c, require=True)
    a, b, c = jnp.arange(3.0), jnp.arange(10.0).reshape(2, 5), jnp.float32(2.0)
    mapped = lambda g: jax.vmap(jax.vmap(g, (0, None, None)), (None, 0, None))(a, b, c)  # noqa: E731
    assert_close(mapped(f), mapped(lambda a, b, c: a * 2 + b.sum() * c))
    twice = jax.vmap(jax.vmap(f, (0, None, None)), (None, 0, None))
    text = jax.jit(twice).lower(a, b, c).as_text()
    assert "tensor<1x3xf32>" in text
    assert "tensor<2x3x5xf32>" not in text


def test_values_of_a_function_around():
    @jax.jit
    def outer(x):
        y = x * 2
        return jaxbm.accelerate(lambda z: jnp.sin(z) + y, require=True)(x)

    np.testing.assert_allclose(outer(1.0), np.sin(1) + 2, 1e-6)


def test_large_constants_are_passed_at_each_call():
    data = jnp.asarray(np.random.default_rng(0).normal(size=(500, 5)), jnp.float32)
    f = lambda i: data[i] * 2  # noqa: E731
    assert_close(jaxbm.accelerate(f, require=True)(jnp.arange(3)), f(jnp.arange(3)))


def test_functions_that_differ_in_large_constants_alone():
    r = np.random.default_rng(0)
    tables = [jnp.asarray(r.normal(size=(500, 5)), jnp.float32) for _ in range(2)]
    first, second = (jaxbm.accelerate(lambda i, t=t: t[i] * 2, require=True) for t in tables)
    both = jax.jit(lambda i: (first(i), second(i)))
    wanted = tuple(t[3] * 2 for t in tables)
    assert_close(both(3), wanted)
    assert_close(export.export(both)(3).call(3), wanted)


def test_an_export_and_other_platforms_run_the_function_itself():
    f = jaxbm.accelerate(lambda x: jnp.sin(x) * 2, require=True)
    x = jnp.ones(40)
    exported = export.export(f, platforms=["cpu", "cuda"])(x)
    assert "custom_call @jaxbm_program" not in exported.mlir_module()
    assert_close(exported.call(x), jnp.sin(x) * 2)
    assert "custom_call @jaxbm_program" in jax.jit(f).lower(x).as_text()


def test_shard_map():
    mesh = jax.make_mesh((1,), ("i",), axis_types=(jax.sharding.AxisType.Auto,))
    f = jaxbm.accelerate(lambda x: jnp.sin(x) * 2, require=True)
    spec = PartitionSpec("i")
    x = jnp.arange(4.0)
    assert_close(jax.shard_map(f, mesh=mesh, in_specs=spec, out_specs=spec)(x), jnp.sin(x) * 2)


def test_donated_arguments():
    f = jax.jit(jaxbm.accelerate(lambda x: x.at[3].set(0.0), require=True), donate_argnums=0)
    x = jnp.arange(40.0)
    assert_close(f(x + 0), x.at[3].set(0.0))


def test_several_threads_at_once():
    f, args = jaxbm.accelerate(simulate, require=True), arguments()
    wanted, wrong = f(*args), []

    def work():
        for _ in range(50):
            got = f(*args)
            if not jax.tree.all(jax.tree.map(lambda a, b: bool((a == b).all()), got, wanted)):
                wrong.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_nothing_compiles_twice(monkeypatch):
    from jaxbm.kernels.program import build

    compiled = []
    original = build.compile_text
    monkeypatch.setattr(build, "compile_text", lambda *a, **k: compiled.append(1) or original(*a, **k))
    f = lambda x: jnp.cos(x) * 1.2345 + 0.321  # noqa: E731
    for _ in range(3):
        jaxbm.accelerate(f, require=True)(jnp.ones(23))
    jax.jit(lambda x: jaxbm.accelerate(f)(x))(jnp.ones(23))
    assert len(compiled) == 1


def test_an_unknown_program_is_an_error_and_never_a_jump():
    signature = table.Signature((((3,), "float32"),), (((3,), "float32"),))
    native = jaxbm.kernels.program.call.Native(12345, signature, [False], None, "stale")
    table._table()
    with pytest.raises(Exception, match="no compiled program of this hash"):
        jax.jit(lambda x: native(x))(jnp.ones(3))


def test_without_llvmlite_everything_runs_by_xla(monkeypatch):
    from jaxbm.kernels.program import machine

    monkeypatch.setattr(machine, "llvm", lambda: None)
    hint = __import__("sys").modules["jaxbm.kernels.program.accelerate"]._hint
    hint.cache_clear()
    with pytest.warns(UserWarning, match="llvmlite isn't installed"):
        assert float(jaxbm.accelerate(lambda x: x * 3)(2.0)) == 6.0
    assert float(jaxbm.accelerate(lambda x: x * 4)(2.0)) == 8.0
    with pytest.raises(NotImplementedError, match="llvmlite isn't installed"):
        jaxbm.accelerate(lambda x: x * 5, require=True)(2.0)


OPTIMIZERS = {
    "adam": optax.adam(1e-2),
    "clipped lion": optax.chain(optax.clip_by_global_norm(1.0), optax.lion(1e-3)),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_a_training_loop_with_optax(optimizer):
    r = np.random.default_rng(0)
    x = jnp.asarray(r.normal(size=(64, 5)), jnp.float32)
    y = jnp.asarray(r.normal(size=64), jnp.float32)
    params = {"w": jnp.asarray(r.normal(size=(5, 19)), jnp.float32), "b": jnp.zeros(19), "v": jnp.ones(19) / 19}

    def loss(p, rows):
        return jnp.square(jnp.tanh(x[rows] @ p["w"] + p["b"]) @ p["v"] - y[rows]).mean()

    def train(params, rows):
        def step(carry, i):
            p, s = carry
            value, g = jax.value_and_grad(loss)(p, i)
            updates, s = optimizer.update(g, s, p)
            return (optax.apply_updates(p, updates), s), value

        return lax.scan(step, (params, optimizer.init(params)), rows)

    rows = jnp.asarray(r.integers(0, 64, size=(30, 8)), jnp.int32)
    assert_close(jaxbm.accelerate(train, require=True)(params, rows), jax.jit(train)(params, rows), 1e-4)


def test_the_whole_training_run_is_native():
    r = np.random.default_rng(0)
    x, y = jnp.asarray(r.normal(size=(120, 6)), jnp.float32), jnp.asarray(r.integers(0, 2, 120), jnp.float32)
    model = jaxbm.MLP((6, 17, 1))

    def fit(key):
        options = {"epochs": 3, "validation_split": 0.2, "metrics": ("accuracy",), "implementation": "xla"}
        return jaxbm.fit(key, model, x, y, loss="sigmoid_binary_cross_entropy", **options)

    got, wanted = jaxbm.accelerate(fit, require=True)(jax.random.key(0)), jax.jit(fit)(jax.random.key(0))
    assert_close(got, wanted, 1e-4)
