"""The first few of a row's composite keys, in order: whole vectors are passed over that hold nothing before the last.

A composite is an element's key above its position (see `sorting`), so that no two are equal. Those kept are few and
sorted by insertion; of a row in random order k log(n / k) elements are ever inserted.
"""

from __future__ import annotations

from collections.abc import Callable

from jaxbm.kernels.program.control import choose, loop, while_loop
from jaxbm.kernels.program.maths.common import any_lane
from jaxbm.kernels.program.text import Function
from jaxbm.kernels.program.types import Type
from jaxbm.kernels.program.values import Index, Value

MOST, SHARE = 32, 8
"""How many are few: so many at most, and an eighth of the row."""
VECTOR_BYTES = 32

Key = Callable[[Index, int], Value]
"""Keys of so many elements from a position on (0: of one, a scalar), unsigned, in ascending order."""


def is_few(n: int, k: int) -> bool:
    """Whether choosing k of n elements so is faster than sorting them all."""
    return k <= MOST and k * SHARE <= n


def first_few(f: Function, type: Type, key: Key, n: int, k: int, kept: Value) -> None:
    """Put the k least composites of n elements to `kept`."""

    def at(i: Index) -> Value:
        return f.offset(kept, type, i)

    def get(i: Index) -> Value:
        return f.instruction(f"load {type.text}, ptr {at(i).text}, align 8", type)

    def put(value: Value, i: Index) -> None:
        f.line(f"store {type.text} {value.text}, ptr {at(i).text}, align 8")

    def insert(part: Value, i: Index, last: Index) -> None:
        """Among those before `last`, which are sorted and have one place more."""
        position = f.index(i)
        composite = (part.cast("zext", type.kind) << 32) | position.cast("zext", type.kind)

        def going(c: list[Value]) -> Value:
            # Of the first place nothing is before; what is read there in vain is in memory all the same.
            before = get(c[0].gt(0).select(c[0] - 1, c[0]))
            return c[0].gt(0) & before.compare("ugt", composite)

        def move(c: list[Value]) -> list[Value]:
            put(get(f.iadd(c[0], -1)), c[0])
            return [c[0] - 1]

        (place,) = while_loop(f, going, move, [f.index(last)])
        put(composite, place)

    loop(f, k, lambda i, _: insert(key(i, 0), i, i))
    part = key(0, 0).type

    def limit() -> Value:
        return get(k - 1).lshr(32).cast("trunc", part.kind)

    def one(i: Index, carry: list[Value]) -> list[Value]:
        value = key(i, 0)

        def enters() -> list[Value]:
            insert(value, i, k - 1)
            return [limit()]

        return choose(f, value.compare("ult", carry[0]), enters, lambda: carry, rare=True)

    def several(i: Index, carry: list[Value]) -> list[Value]:
        hit = any_lane(key(i, lanes).compare("ult", f.splat(carry[0], lanes)))
        each = lambda: loop(f, f.iadd(i, lanes), one, carry, start=i)  # noqa: E731
        return choose(f, hit, each, lambda: carry, rare=True)

    lanes = VECTOR_BYTES // part.itemsize
    whole = k + (n - k) // lanes * lanes
    last = loop(f, whole, several, [limit()], start=k, step=lanes)
    loop(f, n, one, last, start=whole)
