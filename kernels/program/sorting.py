"""Stable sorting of rows with several operands and keys, and the largest elements of a row.

All keys of an element and then its position are joined to one unsigned integer, whose order is the one asked for and
which is different for every element, so that any sorting of these integers is stable. They are sorted by networks of
eight (Batcher, 1968), then merged from both ends at once without branches; the operands are gathered at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from jaxbm.kernels.program import selection
from jaxbm.kernels.program.control import loop
from jaxbm.kernels.program.text import Function, Module, Parameter
from jaxbm.kernels.program.types import I32, I64, PTR, VOID, Type, from_dtype, type_of
from jaxbm.kernels.program.values import Index, Value

_RUN = 8
# exponent bits are zero; float16's subnormal numbers are normal in float32, in which XLA compares
_EXPONENT = {"float16": 10, "bfloat16": 7, "float32": 23, "float64": 52}


def _bits(dtype: str) -> int:
    return 8 if dtype == "bool" else from_dtype(dtype).bits


def _memory(dtype: str) -> Type:
    """Elements are moved as integers, which changes no bits of a NaN."""
    return type_of(f"i{_bits(dtype)}")


def _composite(keys: Sequence[str]) -> Type:
    """The integer that holds all keys and a position of 32 bits."""
    bits = sum(_bits(k) for k in keys) + 32
    # Wider integers than 64 bits are stored in multiples of 128.
    return type_of(f"i{64 if bits <= 64 else -(-bits // 128) * 128}")


def scratch_bytes(dtypes: Sequence[str], n: int, num_keys: int) -> int:
    """Bytes of scratch memory, aligned to 64, that a call needs."""
    return 2 * n * _composite(dtypes[:num_keys]).itemsize + 64


def _load(f: Function, pointer: Value, type: Type, index: Index) -> Value:
    # Whole words are aligned, wide integers needn't be.
    return f.instruction(f"load {type.text}, ptr {f.offset(pointer, type, index).text}, align 8", type)


def _store(f: Function, value: Value, pointer: Value, index: Index) -> None:
    f.line(f"store {value.type.text} {value.text}, ptr {f.offset(pointer, value.type, index).text}, align 8")


def _ordered(x: Value, dtype: str, *, total: bool) -> Value:
    """An unsigned integer in the order of x: as lax.sort has it, or the total order of IEEE 754."""
    sign = 1 << (x.type.bits - 1)
    if dtype not in _EXPONENT:
        return x if dtype[0] in "ub" else x ^ sign
    if not total:
        # Zeros are equal, as are subnormal numbers, which XLA's threads take for zero; NaN of any sign comes last.
        mantissa = _EXPONENT[dtype]
        magnitude = x & (sign - 1)
        least = 1 if dtype == "float16" else 1 << mantissa
        infinity = (sign - 1) >> mantissa << mantissa
        x = magnitude.compare("ult", least).select(0, x)
        x = magnitude.compare("ugt", infinity).select(sign - 1, x)
    return x.lt(0).select(~x, x ^ sign)


def _network(n: int) -> list[tuple[int, int]]:
    """Comparators of Batcher's odd-even merge sort of n elements."""
    pairs, size = [], 1 << max(n - 1, 0).bit_length()
    p = 1
    while p < size:
        k = p
        while k >= 1:
            for j in range(k % p, size - k, 2 * k):
                for i in range(min(k, size - j - k)):
                    if (i + j) // (2 * p) == (i + j + k) // (2 * p) and i + j + k < n:
                        pairs.append((i + j, i + j + k))
            k //= 2
        p *= 2
    return pairs


def _sort_run(f: Function, type: Type, at: Value, count: int) -> None:
    """A few elements in registers."""
    v = [_load(f, at, type, q) for q in range(count)]
    for a, b in _network(count):
        less = v[a].compare("ult", v[b])
        v[a], v[b] = f.select(less, v[a], v[b]), f.select(less, v[b], v[a])
    for q, x in enumerate(v):
        _store(f, x, at, q)


def _merge_equal(module: Module, type: Type) -> str:
    """`void merge(from, to, w)`: two sorted runs of w elements, side by side, into one, from both ends at once."""
    name = f"sort.merge.{type.suffix}"

    def define() -> None:
        params: list[Parameter] = [("from", PTR, "noalias"), ("to", PTR, "noalias"), ("w", I64)]
        f = module.function(name, params, internal=True, attributes="noinline nounwind")
        source, to, w = f.params

        def step(k: Index, carry: list[Value]) -> list[Value]:
            a, b, c, d = carry  # the least of both runs still to come, and the greatest
            x, y = _load(f, source, type, a), _load(f, source, type, b)
            first = x.compare("ult", y)
            _store(f, f.select(first, x, y), to, k)
            one, zero = f.constant(I64, 1), f.constant(I64, 0)
            u, v = _load(f, source, type, c), _load(f, source, type, d)
            last = v.compare("ult", u)
            _store(f, f.select(last, u, v), to, f.iadd(w + w - 1, f.imul(k, -1)))
            return [
                a + f.select(first, one, zero),
                b + f.select(first, zero, one),
                c - f.select(last, one, zero),
                d - f.select(last, zero, one),
            ]

        loop(f, w, step, [f.constant(I64, 0), w, w - 1, w + w - 1])
        f.ret()

    return module.once(name, define)


def _merge_rest(module: Module, type: Type) -> str:
    """`void merge(from, to, w, n)`: a sorted run of w elements and one of n - w after it."""
    name = f"sort.merge_rest.{type.suffix}"

    def define() -> None:
        params: list[Parameter] = [("from", PTR, "noalias"), ("to", PTR, "noalias"), ("w", I64), ("n", I64)]
        f = module.function(name, params, internal=True, attributes="noinline nounwind")
        source, to, w, n = f.params

        def step(k: Index, carry: list[Value]) -> list[Value]:
            a, b = carry
            inside, other = a.lt(w), b.lt(n)
            x = _load(f, source, type, f.select(inside, a, f.constant(I64, 0)))
            y = _load(f, source, type, f.select(other, b, f.constant(I64, 0)))
            first = inside & (~other | x.compare("ult", y))
            _store(f, f.select(first, x, y), to, k)
            one, zero = f.constant(I64, 1), f.constant(I64, 0)
            return [a + f.select(first, one, zero), b + f.select(first, zero, one)]

        loop(f, n, step, [f.constant(I64, 0), w])
        f.ret()

    return module.once(name, define)


def _merging(f: Function, merge: str, type: Type, source: Value, to: Value, w: Value) -> Callable[..., None]:
    """The body of a loop over pairs of runs."""

    def both(i: Index, _: list[Value]) -> None:
        f.call(merge, VOID, [f.offset(source, type, i), f.offset(to, type, i), w])

    return both


def _sort_composites(f: Function, type: Type, here: Value, there: Value, n: int) -> Value:
    """n integers at `here`, sorted with the help of as much space at `there`; gives where they ended."""
    whole = n // _RUN * _RUN
    loop(f, whole, lambda i, _: _sort_run(f, type, f.offset(here, type, i), _RUN), step=_RUN)
    if whole < n:
        _sort_run(f, type, f.offset(here, type, whole), n - whole)
    width = _RUN
    while width < n:
        pairs, source, to = n // (2 * width) * 2 * width, here, there
        merge, w = _merge_equal(f.module, type), f.index(width)

        loop(f, pairs, _merging(f, merge, type, source, to, w), step=2 * width)
        rest, source, to = n - pairs, f.offset(source, type, pairs), f.offset(to, type, pairs)
        if rest > width:
            f.call(_merge_rest(f.module, type), VOID, [source, to, w, f.index(rest)])
        elif rest:
            loop(f, rest, lambda i, _, a=source, b=to: _store(f, _load(f, a, type, i), b, i))  # type: ignore[misc]
        here, there, width = there, here, 2 * width
    return here


def emit(module: Module, dtypes: Sequence[str], n: int, num_keys: int = 1) -> str:
    """Define `void name(inputs..., outputs..., scratch)`, which sorts one contiguous row of every operand.

    Args:
        dtypes: of the operands; the first `num_keys` are compared, in turn, as lax.sort compares.
        n: elements of a row, at least one and below 2**32.
        num_keys: how many operands are keys.

    Returns:
        The function's name. No output may share memory with an input; `scratch_bytes` says how much scratch it needs.
    """
    if not 1 <= num_keys <= len(dtypes):
        raise ValueError(f"num_keys must be between one and the {len(dtypes)} operands, got {num_keys}")
    name = f"sort.{n}.{num_keys}." + ".".join(dtypes)
    type = _composite(dtypes[:num_keys])

    def key(f: Function, inputs: Sequence[Value], i: Value) -> Value:
        joined = f.constant(type, 0)
        for dtype, pointer in zip(dtypes[:num_keys], inputs, strict=False):
            part = _ordered(f.load(pointer, _memory(dtype), i), dtype, total=False)
            joined = (joined << _bits(dtype)) | f.cast("zext", part, type.kind)
        position = i if type is I64 else f.cast("zext", i, type.kind)
        return (joined << 32) | position

    def arrange(f: Function, inputs: Sequence[Value], here: Value) -> Value:
        loop(f, n, lambda i, _: _store(f, key(f, inputs, f.index(i)), here, i))
        return _sort_composites(f, type, here, f.offset(here, type, n), n)

    def define() -> None:
        _define(module, name, list(dtypes), n, type, arrange)

    return module.once(name, define)


def emit_top_k(module: Module, dtype: str, n: int, k: int) -> str:
    """Define `void name(input, values, indices, scratch)`: the k largest of a contiguous row, the largest first.

    Indices are int32. Floats are in the total order of IEEE 754, in which NaN is the largest, as in lax.top_k; of
    equal ones the earlier comes first. Scratch as for a sort of one operand, `scratch_bytes((dtype,), n, 1)`.
    """
    if not 1 <= k <= n:
        raise ValueError(f"k must be between one and the row's {n} elements, got {k}")
    name = f"top_k.{n}.{k}.{dtype}"
    type = _composite((dtype,))

    def arrange(f: Function, inputs: Sequence[Value], here: Value) -> Value:
        def key(i: Index, lanes: int) -> Value:
            return ~_ordered(f.load(inputs[0], _memory(dtype).vector(lanes), i), dtype, total=True)

        def composite(i: Index) -> Value:
            position = f.index(i)
            return (f.cast("zext", key(i, 0), type.kind) << 32) | f.cast("zext", position, type.kind)

        if selection.is_few(n, k):
            selection.first_few(f, type, key, n, k, here)
            return here
        loop(f, n, lambda i, _: _store(f, composite(i), here, i))
        return _sort_composites(f, type, here, f.offset(here, type, n), n)

    def define() -> None:
        _define(module, name, [dtype], k, type, arrange, indices=True)

    return module.once(name, define)


def _define(
    module: Module,
    name: str,
    dtypes: list[str],
    kept: int,
    type: Type,
    arrange: Callable[[Function, Sequence[Value], Value], Value],
    *,
    indices: bool = False,
) -> None:
    """`arrange` puts the composites in order, with the scratch memory that it is given, and says where they stand."""
    many = len(dtypes)
    outputs = [*dtypes, "int32"] if indices else dtypes
    params = [(f"in{q}", PTR, "noalias readonly") for q in range(many)]
    params += [(f"out{q}", PTR, "noalias") for q in range(len(outputs))] + [("scratch", PTR, "noalias")]
    f = module.function(name, params, internal=True, attributes="noinline nounwind")
    inputs, outs, here = f.params[:many], f.params[many:-1], f.params[-1]
    here = arrange(f, inputs, here)

    def gather(i: Index, _: list[Value]) -> None:
        # Volatile, since LLVM 22's code generator otherwise takes a network's 64-bit result, still in its register,
        # for one whose upper half is zero.
        at = f.offset(here, type, i)
        position = f.instruction(f"load volatile i32, ptr {at.text}, align 4", I32)
        index = f.cast("zext", position, "i64")
        for dtype, source, to in zip(dtypes, inputs, outs, strict=False):
            f.store(f.load(source, _memory(dtype), index), to, i)
        if indices:
            f.store(position, outs[-1], i)

    loop(f, kept, gather)
    f.ret()
