"""Eigenvalues of symmetric matrices and singular values, by the LAPACK that JAX itself calls: SciPy's.

Compiled code names these routines (`jaxbm_dsyevd`, ...); `provide` tells LLVM where they are in this process. So no
address stands in a program, and machine code from a cache is linked anew in every process. Results, signs of vectors
included, are JAX's own, since matrices are handed over as JAX does: column by column, with the same routines.
"""

from __future__ import annotations

import ctypes
import math
from functools import cache
from typing import Any

from jaxbm.kernels.program.control import choose
from jaxbm.kernels.program.linalg.common import define, each
from jaxbm.kernels.program.text import Function, Module
from jaxbm.kernels.program.types import I8, I32, PTR, VOID, from_dtype
from jaxbm.kernels.program.values import Index, Value

ROUTINES = ("ssyevd", "dsyevd", "sgesdd", "dgesdd")
_LETTER = {"float32": "s", "float64": "d"}


@cache
def address(routine: str) -> int:
    """Where a LAPACK routine stands in this process."""
    import scipy.linalg.cython_lapack as lapack

    capsule = lapack.__pyx_capi__[routine]
    name, pointer = ctypes.pythonapi.PyCapsule_GetName, ctypes.pythonapi.PyCapsule_GetPointer
    name.restype, name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return int(pointer(capsule, name(capsule)))


def available() -> bool:
    """Whether SciPy is there; JAX requires it."""
    try:
        return bool(address(ROUTINES[0]))
    except (ImportError, KeyError):
        return False


@cache
def provide(binding: Any) -> None:
    """Let code that llvmlite loads from now on call the routines; `binding` is llvmlite.binding."""
    for routine in ROUTINES:
        binding.add_symbol(f"jaxbm_{routine}", address(routine))


def _call(f: Function, routine: str, args: list[Value | str]) -> Value:
    """Call a routine with pointers, or with numbers and letters by way of memory; gives what it says of success."""
    pointers = []
    for a in args:
        if isinstance(a, str):
            box = f.alloca(I8, 1, align=1)
            f.store(f.constant(I8, ord(a)), box)
            pointers.append(box)
        elif a.type is PTR:
            pointers.append(a)
        else:
            box = f.alloca(I32, 1, align=4)
            f.store(a, box)
            pointers.append(box)
    info = f.alloca(I32, 1, align=4)
    f.store(f.constant(I32, 0), info)
    f.call(f"jaxbm_{routine}", VOID, [*pointers, info])
    return f.load(info, I32)


def _copy(f: Function, dtype: str, rows: int, columns: int, source: Value, to: Value) -> None:
    """Row-major to column-major, or back with rows and columns exchanged."""
    type = from_dtype(dtype)

    def element(i: Index, j: Index) -> None:
        f.store(f.load(source, type, f.iadd(f.imul(i, columns), j)), to, f.iadd(f.imul(j, rows), i))

    each(f, rows, columns, element)


def _nan_unless(f: Function, good: Value, dtype: str, arrays: list[tuple[Value, int]]) -> None:
    """Fill the results with NaN where the routine failed, as JAX does."""
    bad = f.constant(from_dtype(dtype), math.nan)

    def fill() -> list[Value]:
        for pointer, count in arrays:
            each(f, 1, count, lambda _, j, p=pointer: f.store(bad, p, j))  # type: ignore[misc]
        return []

    choose(f, good, lambda: [], fill)


def eigh(module: Module, dtype: str, n: int, *, lower: bool = True) -> str:
    """Define `void name(a, vectors, values)` for a symmetric row-major n by n matrix, of which one triangle is read.

    The columns of vectors belong to the ascending values; NaN where the iteration doesn't converge.
    """

    def write(f: Function) -> None:
        a, vectors, values = f.params
        type = from_dtype(dtype)
        size, integers = 1 + 6 * n + 2 * n * n, 3 + 5 * n
        matrix, work = f.alloca(type, n * n), f.alloca(type, size)
        integer_work = f.alloca(I32, integers)
        _copy(f, dtype, n, n, a, matrix)
        order, length, whole = f.constant(I32, n), f.constant(I32, size), f.constant(I32, integers)
        triangle = "L" if lower else "U"
        args: list[Value | str] = ["V", triangle, order, matrix, order, values, work, length, integer_work, whole]
        info = _call(f, f"{_LETTER[dtype]}syevd", args)
        _copy(f, dtype, n, n, matrix, vectors)
        _nan_unless(f, info.eq(0), dtype, [(vectors, n * n), (values, n)])

    return define(module, f"eigh.{dtype}.{n}.{int(lower)}", 1, 2, write)


@cache
def _workspace(routine: str, job: str, m: int, n: int, columns: int) -> int:
    """How much memory ?gesdd wants, asked of itself."""
    number = ctypes.c_float if routine[0] == "s" else ctypes.c_double
    function = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 14)(address(routine))
    wanted, unused, info = number(), number(), ctypes.c_int(0)
    integers = [ctypes.c_int(v) for v in (m, n, max(m, 1), max(m, 1), columns, -1)]
    rows, cols, lda, ldu, ldvt, query = (ctypes.byref(v) for v in integers)
    work = ctypes.c_int(0)
    nothing = ctypes.byref(unused)
    function(
        *[
            ctypes.cast(p, ctypes.c_void_p)
            for p in (
                ctypes.create_string_buffer(job.encode()), rows, cols, nothing, lda, nothing, nothing, ldu, nothing,
                ldvt, ctypes.byref(wanted), query, ctypes.byref(work), ctypes.byref(info),
            )
        ]
    )  # fmt: skip
    return int(wanted.value)


def svd(module: Module, dtype: str, m: int, n: int, *, full_matrices: bool, compute_uv: bool) -> str:
    """Define `void name(a, values[, u, vt])` for a row-major m by n matrix: a = u diag(values) vt, values descending.

    u is m by m or m by min(m, n), vt n by n or min(m, n) by n; NaN where the iteration doesn't converge.
    """
    k = min(m, n)
    job = ("A" if full_matrices else "S") if compute_uv else "N"
    left, right = (m, n) if full_matrices else (k, k)

    def write(f: Function) -> None:
        a, values = f.params[:2]
        type, routine = from_dtype(dtype), f"{_LETTER[dtype]}gesdd"
        size = _workspace(routine, job, m, n, right)
        matrix, work, integer_work = f.alloca(type, m * n), f.alloca(type, size), f.alloca(I32, 8 * k)
        u = f.alloca(type, m * left if compute_uv else 1)
        vt = f.alloca(type, right * n if compute_uv else 1)
        _copy(f, dtype, m, n, a, matrix)
        rows, columns, depth = f.constant(I32, m), f.constant(I32, n), f.constant(I32, right)
        length = f.constant(I32, size)
        args: list[Value | str] = [
            job,
            rows,
            columns,
            matrix,
            rows,
            values,
            u,
            rows,
            vt,
            depth,
            work,
            length,
            integer_work,
        ]
        good = _call(f, routine, args).eq(0)
        results = [(values, k)]
        if compute_uv:
            _copy(f, dtype, left, m, u, f.params[2])
            _copy(f, dtype, n, right, vt, f.params[3])
            results += [(f.params[2], m * left), (f.params[3], right * n)]
        _nan_unless(f, good, dtype, results)

    return define(module, f"svd.{dtype}.{m}.{n}.{job}", 1, 3 if compute_uv else 1, write)
