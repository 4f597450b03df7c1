"""Random programs for comparing a compiled function with `jax.jit`: the same seed gives the same program."""

import contextlib

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

FLOAT = jnp.float64
"""The type of the floats in a program that isn't told otherwise."""
SHAPES = [(), (3,), (5,), (4, 3), (17,), (3, 7), (6, 5), (2, 3, 4), (33,), (8, 9), (1, 5), (4, 1), (20, 3), (2, 1, 9)]


@contextlib.contextmanager
def floats_of(dtype):
    """Programs made within have floats of this type."""
    global FLOAT
    before, FLOAT = FLOAT, dtype
    try:
        yield
    finally:
        FLOAT = before


class NothingFits(Exception):
    """The pool holds no array that an operation could take."""


class Builder:
    """Applies random operations to a pool of arrays."""

    def __init__(self, seed, depth=0):
        self.r = np.random.default_rng(seed)
        self.depth = depth

    def pick(self, pool, kind=None, ndim=None):
        fits = [x for x in pool if (kind is None or x.dtype.kind == kind) and (ndim is None or x.ndim >= ndim)]
        if not fits:
            raise NothingFits
        return fits[self.r.integers(len(fits))]

    def integer(self, low, high):
        return int(self.r.integers(low, high))

    def run(self, pool, steps):
        pool = list(pool)
        for _ in range(steps):
            names = [n for n in dir(self) if n.startswith("op_")]
            if self.depth >= 2:
                names = [n for n in names if n[3:] not in ("scan", "while", "cond", "vmap", "grad", "fori")]
            try:
                out = getattr(self, names[self.r.integers(len(names))])(pool)
            except NothingFits:
                continue
            for x in out or ():
                if x.size <= 600:
                    pool.append(x)
        return pool

    # Elementwise

    def op_unary(self, pool):
        x = self.pick(pool, "f")
        f = [jnp.tanh, jnp.sin, jnp.cos, jnp.abs, jnp.negative, jax.nn.sigmoid, _sign, _floor, lax.erf,
             lambda v: jnp.sqrt(jnp.abs(v) + 0.5), lambda v: jnp.exp(-jnp.abs(v)), lambda v: jnp.log1p(jnp.abs(v)),
             jax.nn.relu, jnp.square, lambda v: 1 / (1 + v * v), lambda v: jnp.clip(v, -0.7, 0.9)]  # fmt: skip
        return [f[self.integer(0, len(f))](x)]

    def op_binary(self, pool):
        x = self.pick(pool, "f")
        y = self.pick([p for p in pool if p.dtype.kind == "f" and _fits(p.shape, x.shape)], "f")
        f = [jnp.add, jnp.subtract, jnp.multiply, jnp.maximum, jnp.minimum, lambda a, b: a / (1 + b * b),
             lambda a, b: jnp.where(_grid(a) > _grid(b), a, b * 0.5), lambda a, b: jnp.arctan2(a, b + 2)]  # fmt: skip
        return [jnp.tanh(f[self.integer(0, len(f))](x, y))]

    op_binary_again = op_binary

    def op_int(self, pool):
        x = self.pick(pool, "i")
        f = [lambda v: v * 3 + 1, lambda v: v // 3, lambda v: v % 5, lambda v: v ^ (v >> 2), lambda v: -v, jnp.abs,
             lambda v: (v > 2).astype(v.dtype), lambda v: v.astype(jnp.uint8).astype(v.dtype), lambda v: v << 1,
             lambda v: jnp.bitwise_and(v, 12)]  # fmt: skip
        return [f[self.integer(0, len(f))](x)]

    def op_cast(self, pool):
        x = self.pick(pool)
        if x.dtype.kind == "f":
            return [_grid(x * 4, 1).astype([jnp.int32, jnp.int8, jnp.int64, jnp.int16][self.integer(0, 4)])]
        return [(x.astype(FLOAT) * 0.1) % 1.7] if x.dtype.kind == "i" else [x.astype(jnp.int32)]

    def op_compare(self, pool):
        x = _grid(self.pick(pool))
        return [x > x.reshape(-1)[0]] if x.size else []

    def op_logic(self, pool):
        x = self.pick(pool, "b")
        return [] if x is None else [jnp.logical_not(x), x.any(-1) if x.ndim else x, x.sum(dtype=jnp.int32)]

    # Shapes

    def op_reshape(self, pool):
        x = self.pick(pool)
        if x.ndim and self.r.random() < 0.5:
            return [x.reshape(-1)]
        n = x.size
        divisors = [d for d in range(1, n + 1) if n % d == 0]
        d = divisors[self.integer(0, len(divisors))] if divisors else 1
        return [x.reshape(d, n // d)] if n else []

    def op_transpose(self, pool):
        x = self.pick(pool)
        return [x.transpose(tuple(self.r.permutation(x.ndim)))]

    def op_slice(self, pool):
        x = self.pick(pool, ndim=1)
        parts = []
        for n in x.shape:
            a = self.integer(0, n)
            b = self.integer(a + 1, n + 1)
            parts.append(slice(a, b, self.integer(1, 3)))
        return [x[tuple(parts)]]

    def op_rev(self, pool):
        x = self.pick(pool, ndim=1)
        return [jnp.flip(x, self.integer(0, x.ndim))]

    def op_concat(self, pool):
        x = self.pick(pool, ndim=1)
        axis = self.integer(0, x.ndim)
        return [jnp.concatenate([x, jnp.flip(x, axis)[..., :]], axis), jnp.stack([x, x], axis)]

    def op_pad(self, pool):
        x = self.pick(pool, "f", ndim=1)
        config = [(self.integer(-1, 3), self.integer(0, 3), self.integer(0, 2)) for _ in x.shape]
        config = [
            (max(lo, 0), hi, k) if k else (lo if n > 1 else 0, hi, 0)
            for (lo, hi, k), n in zip(config, x.shape, strict=True)
        ]
        return [lax.pad(x, jnp.asarray(0.25, x.dtype), config)]

    def op_broadcast(self, pool):
        x = self.pick(pool)
        if x.size > 60:
            return []
        return [jnp.broadcast_to(x, (3, *x.shape)), jnp.broadcast_to(x[..., None], (*x.shape, 4))]

    def op_roll(self, pool):
        x = self.pick(pool, ndim=1)
        return [jnp.roll(x, self.integer(0, 4), self.integer(0, x.ndim))]

    # Reductions

    def op_reduce(self, pool):
        x = self.pick(pool, "f", ndim=1)
        axes = tuple(int(a) for a in self.r.permutation(x.ndim)[: self.integer(1, x.ndim + 1)])
        f = [jnp.mean, jnp.max, jnp.min, lambda v, a: jnp.tanh(jnp.sum(v, a)), lambda v, a: jnp.prod(jnp.tanh(v), a)]
        return [f[self.integer(0, len(f))](x, axes)]

    op_reduce_again = op_reduce

    def op_normalise(self, pool):
        x = self.pick(pool, "f", ndim=1)
        return [(x - x.mean(-1, keepdims=True)) * lax.rsqrt(x.var(-1, keepdims=True) + 0.1), jax.nn.softmax(x, 0)]

    def op_arg(self, pool):
        x = self.pick(pool, ndim=1)
        return [jnp.argmax(_grid(x), self.integer(0, x.ndim)).astype(jnp.int32)] if x.dtype.kind != "b" else []

    def op_cumulative(self, pool):
        x = self.pick(pool, "f", ndim=1)
        f = [jnp.cumsum, lax.cummax, lax.cummin]
        return [jnp.sin(f[self.integer(0, 3)](x, self.integer(0, x.ndim)))]

    def op_int_reduce(self, pool):
        x = self.pick(pool, "i", ndim=1)
        return [] if x is None else [x.sum(-1, dtype=jnp.int32), x.max(0), x.min()]

    # Products

    def op_matmul(self, pool):
        x = self.pick(pool, "f", ndim=1)
        n = x.shape[-1]
        m = self.integer(1, 9)
        w = jnp.asarray(self.r.normal(size=(n, m)) / np.sqrt(n), x.dtype)
        return [x @ w]

    def op_gram(self, pool):
        x = self.pick(pool, "f", ndim=2)
        if x is None:
            return []
        return [jnp.tanh(jnp.einsum("...ij,...kj->...ik", x, x)), jnp.tanh(jnp.einsum("...ij,...ik->...jk", x, x))]

    def op_outer(self, pool):
        x, y = self.pick(pool, "f", ndim=1), self.pick(pool, "f", ndim=1)
        return [jnp.outer(x.reshape(-1)[:9], y.reshape(-1)[:11])]

    # Indexing

    def op_gather(self, pool):
        x, i = self.pick(pool, ndim=1), self.pick(pool, "i")
        i = i.reshape(-1)[:7]
        return [x[i], jnp.take(x, i, axis=x.ndim - 1, mode="clip")]

    def op_dynamic_slice(self, pool):
        x, i = self.pick(pool, ndim=1), self.pick(pool, "i")
        i = i.reshape(-1)[0]
        size = self.integer(1, x.shape[0] + 1)
        return [lax.dynamic_slice_in_dim(x, i, size, 0)]

    def op_dynamic_update(self, pool):
        x, i = self.pick(pool, ndim=1), self.pick(pool, "i")
        i = i.reshape(-1)[0]
        part = x[: self.integer(1, x.shape[0] + 1)]
        return [lax.dynamic_update_slice_in_dim(x, part[::-1], i, 0), x.at[i].set(x[0])]

    def op_scatter(self, pool):
        x, i = self.pick(pool, "f", ndim=1), self.pick(pool, "i")
        i = i.reshape(-1)[:5]
        f = [lambda a: a.at[i].add(0.25), lambda a: a.at[i].set(a[: i.shape[0] or 1][0] * 0.5),
             lambda a: a.at[i].max(a[0]), lambda a: a.at[..., i].mul(0.5)]  # fmt: skip
        return [f[self.integer(0, len(f))](x)]

    def op_onehot(self, pool):
        i = self.pick(pool, "i")
        return [jax.nn.one_hot(i.reshape(-1)[:6], 5, dtype=FLOAT)]

    # Control flow

    def _inner(self):
        return Builder(int(self.r.integers(1 << 30)), self.depth + 1)

    def op_scan(self, pool):
        x, y = self.pick(pool, "f"), self.pick(pool, "f")
        xs = self.pick(pool, "f", ndim=1)
        seed, reverse = int(self.r.integers(1 << 30)), bool(self.r.random() < 0.3)
        swap = self.r.random() < 0.3

        def step(carry, row):
            inner = Builder(seed, self.depth + 1)
            made = inner.run([carry[0], carry[1], row, carry[2], y], 4)
            a = _shaped(made[-1].astype(FLOAT), x.shape) * 0.5 + 0.4 * carry[0]
            b = jnp.tanh(_shaped(made[-2].astype(FLOAT), y.shape) + carry[1])
            if swap and x.shape == y.shape:
                a, b = b, a
            return (a, b, carry[2] + 1), (carry[0], made[-1])

        carry, ys = lax.scan(step, (x, y, jnp.int32(1)), xs, reverse=reverse)
        return [*carry, *ys]

    def op_fori(self, pool):
        x, i = self.pick(pool, "f", ndim=1), self.integer(0, 4)
        return [lax.fori_loop(i, i + 3, lambda k, c: c.at[k % c.shape[0]].set(c[0] * 0.5 + c[-1] * 0.3), x)]

    def op_while(self, pool):
        x = self.pick(pool, "f")

        def body(carry):
            v, k = carry
            return jnp.tanh(v * 0.7 + jnp.flip(v, 0) * 0.1 if v.ndim else v * 0.7), k + 1

        return list(lax.while_loop(lambda c: (jnp.abs(c[0]).sum() > 0.3) & (c[1] < 6), body, (x, jnp.int32(0))))

    def op_cond(self, pool):
        x, y = self.pick(pool, "f"), self.pick(pool, "f")
        i = self.pick(pool, "i").reshape(-1)[0]
        seed = int(self.r.integers(1 << 30))

        def other(v):
            return _shaped(Builder(seed, self.depth + 1).run([v, y, i], 3)[-1].astype(FLOAT), v.shape)

        return [
            lax.cond(x.sum() > 0.1234, lambda v: v, other, x),
            lax.switch(i % 3, [lambda v: v * 0.5, other, lambda v: jnp.flip(v) if v.ndim else v], x),
        ]

    def op_vmap(self, pool):
        x = self.pick(pool, "f", ndim=1)
        y, i, seed = self.pick(pool, "f"), self.pick(pool, "i").reshape(-1)[0], int(self.r.integers(1 << 30))
        return [jax.vmap(lambda v: Builder(seed, self.depth + 1).run([v, y, i], 3)[-1])(x)]

    def op_grad(self, pool):
        x = self.pick(pool, "f")
        y, i, seed = self.pick(pool, "f"), self.pick(pool, "i").reshape(-1)[0], int(self.r.integers(1 << 30))

        def loss(v):
            made = Builder(seed, 2).run([v, y, i], 4)
            return sum(jnp.sin(m).sum() for m in made[3:] if m.dtype.kind == "f") + 0.1 * v.sum()

        return [jnp.tanh(jax.grad(loss)(x))]


def _grid(x, scale=64):
    """Floats on a coarse grid, so that what steps (a comparison, argmax, a cast) doesn't hang on a last bit.

    A loop that converges leaves elements that differ by one unit in the last place, or not at all: which of them is
    the largest, two right implementations need not agree on. The offset keeps round numbers off the grid's edges.
    """
    return jnp.round(x * scale + 0.137) if x.dtype.kind == "f" else x


def _sign(x):
    return jnp.sign(_grid(x))


def _floor(x):
    return _grid(x, 1)


def _fits(a, b):
    try:
        return np.broadcast_shapes(a, b) == tuple(b)
    except ValueError:
        return False


def _shaped(x, shape):
    """Elements of x, repeated or cut, in another shape."""
    n = int(np.prod(shape))
    flat = x.reshape(-1)
    if flat.size < n:
        flat = jnp.tile(flat, -(-n // max(flat.size, 1))) if flat.size else jnp.zeros(n, x.dtype)
    return flat[:n].reshape(shape)


def arguments(seed):
    """Arrays for the program of this seed."""
    r = np.random.default_rng(seed + 1)
    shapes = [SHAPES[k] for k in r.integers(0, len(SHAPES), 3)]
    floats = [jnp.asarray(r.normal(size=s), FLOAT) for s in shapes]
    return [*floats, jnp.asarray(r.integers(-3, 9, size=4), jnp.int32), jnp.asarray(r.random(6) > 0.5)]


def program(seed, steps=8):
    """A function of `arguments(seed)`: every array that it made."""

    def f(*pool):
        return Builder(seed).run(pool, steps)[len(pool) :]

    return f
