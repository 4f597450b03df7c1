"""What is seen of `jax.jit` from outside: messages of errors, `disable_jit`, and interpreters that look into it."""

import functools
import gc
import re
import weakref

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.experimental import checkify
from jax.experimental.jet import jet

from jaxbm.kernels.program import accelerate

X = jnp.asarray([1.0, -2.0, 3.0])


def branches(x):
    return x if x.sum() > 0 else -x


def message(wrap, f, *args, **kwargs):
    try:
        wrap(f)(*args, **kwargs)
    except Exception as told:
        return type(told), re.sub("0x[0-9a-f]+", "", str(told))
    raise AssertionError("it raises")


@pytest.mark.parametrize(
    ("f", "args"),
    [
        (branches, (X,)),
        (lambda n: jnp.zeros(n), (3,)),
        (lambda x, y: np.asarray(y["of"]), (X, {"of": X})),
        (lambda x: {"a": "text"}, (X,)),
        (lambda x, y: x @ y, (X, jnp.ones((4, 4)))),
        (lambda x: x, ("text",)),
        (lambda key, x: int(x[0]), (jax.random.key(0), X)),
    ],
)
def test_errors_name_the_function_and_its_arguments(f, args):
    assert message(accelerate, f, *args) == message(jax.jit, f, *args)


def test_without_jit_it_is_the_function():
    seen = []
    f = accelerate(lambda x, n: (seen.append(x), branches(x) * n)[1], static_argnames="n")
    with jax.disable_jit():
        np.testing.assert_array_equal(f(X, n=2), 2 * branches(X))
    assert not isinstance(seen[0], jax.core.Tracer)


def test_where_a_nan_came_from_is_found():
    f = lambda x: jnp.log(x) * 2  # noqa: E731
    with jax.debug_nans(True):
        assert message(accelerate, f, -X) == message(jax.jit, f, -X)


@pytest.mark.parametrize("errors", ["user_checks", "index_checks", "div_checks", "nan_checks"])
def test_checkify_looks_into_it(errors):
    def checked(wrap, x, i):
        f = wrap(lambda x, i: x[i] / (x[2] - 3))
        outer = lambda x, i: 2 * f(x, i)  # noqa: E731
        error, out = checkify.checkify(outer, errors=getattr(checkify, errors))(x, i)
        return (error.get() or "").split(" at ")[0], float(out)

    for x, i in ((X + 1, 1), (X, 1), (0 * X + 3, 7)):
        np.testing.assert_equal(checked(accelerate, x, i), checked(jax.jit, x, i))


def test_checks_in_derivatives():
    def checked(wrap):
        tangent = lambda x: jax.jvp(wrap(lambda x: jnp.sqrt(x) * 3), (x,), (x,))  # noqa: E731
        return checkify.checkify(tangent, errors=checkify.nan_checks)(-X)[0].get()

    assert checked(accelerate) is not None
    assert checked(jax.jit) is not None


def test_taylor_series():
    f = lambda x: jnp.sin(x) * x  # noqa: E731
    series = lambda wrap: jet(wrap(f), (0.5,), ((1.0, 0.2, 0.1),))  # noqa: E731
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), series(accelerate), series(jax.jit))


@pytest.mark.parametrize("map_it", [False, True])
def test_the_transpose_of_a_linear_function(map_it):
    def transposed(wrap):
        f = wrap(lambda x: jnp.cumsum(x) * 3)
        f = jax.vmap(f) if map_it else f
        x = jnp.stack([X, X]) if map_it else X
        return jax.linear_transpose(f, x)(x)

    np.testing.assert_allclose(transposed(accelerate), transposed(jax.jit), rtol=1e-6)


def test_a_solver_whose_matrix_is_accelerated():
    matrix = jnp.asarray([[4.0, 1.0], [1.0, 3.0]])

    def solve(b, wrap):
        matvec = wrap(lambda x: matrix @ x)
        return lax.custom_linear_solve(matvec, b, lambda _, b: jnp.linalg.solve(matrix, b), symmetric=True).sum()

    b = jnp.asarray([1.0, 2.0])
    gradients = [jax.grad(solve)(b, wrap) for wrap in (accelerate, jax.jit)]
    np.testing.assert_allclose(*gradients, rtol=1e-6)


@pytest.mark.parametrize(
    "f", [jax.nn.relu, jnp.sin, lambda x: x * jnp.float32(2), lambda x: (x * 3.0).astype("float16")]
)
def test_derivatives_of_numbers_of_weak_type(f):
    for g in (jax.grad, jax.value_and_grad):
        got, wanted = (jax.tree.leaves(g(wrap(f))(2.0)) for wrap in (accelerate, jax.jit))
        assert [(x.dtype, x.weak_type) for x in got] == [(x.dtype, x.weak_type) for x in wanted]
    got, wanted = (jax.jvp(wrap(f), (2.0,), (1.0,)) for wrap in (accelerate, jax.jit))
    assert [(x.dtype, x.weak_type) for x in got] == [(x.dtype, x.weak_type) for x in wanted]


def counted(runs):
    def f(x, n=1):
        runs.append(n)
        return x * n

    return f


def test_accelerating_a_function_again_compiles_nothing_again():
    runs = []
    f = counted(runs)
    for _ in range(3):
        assert accelerate(f)(2.0) == 2
        assert accelerate(f, static_argnames="n")(2.0, n=3) == 6
    assert runs == [1, 3]
    wrapped = functools.update_wrapper(lambda x: -x, f)  # which copies attributes
    assert accelerate(wrapped)(2.0) == -2
    found = weakref.ref(f)
    del f, wrapped
    gc.collect()
    assert found() is None


def test_what_jit_does_not_take_is_refused_as_there():
    def numbers(x):
        yield x

    for f in (numbers, staticmethod(jnp.sin)):
        with pytest.raises(TypeError) as expected:
            jax.jit(f)
        with pytest.raises(TypeError) as error:
            accelerate(f)
        assert str(error.value) == str(expected.value)


def test_a_constraint_of_one_device_is_native():
    mesh = jax.sharding.Mesh(jax.devices()[:1], ("data",))
    whole = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("data"))
    f = accelerate(lambda x: lax.with_sharding_constraint(x + 1, whole) * 2, require=True)
    np.testing.assert_array_equal(f(X), (X + 1) * 2)


@pytest.mark.filterwarnings("error")
def test_tokens_pass_through():
    x, token = accelerate(lambda x, token: (x + 1, token))(X, lax.create_token())
    np.testing.assert_array_equal(x, X + 1)
    assert isinstance(token, type(lax.create_token()))
