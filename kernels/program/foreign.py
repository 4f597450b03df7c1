"""Structures and functions of C, as the code that is written here reads, fills and calls them; and XLA's errors.

Offsets are those of XLA's C interface for custom calls (xla/ffi/api/c_api.h) on 64-bit machines.
"""

from __future__ import annotations

from jaxbm.kernels.program import control
from jaxbm.kernels.program.text import Function
from jaxbm.kernels.program.types import I32, I64, PTR, Type
from jaxbm.kernels.program.values import Index, Value


def word(f: Function, pointer: Value, offset: Index, type: Type = I64) -> Value:
    """A field at an offset in bytes."""
    return f.load(at(f, pointer, offset), type)


def at(f: Function, pointer: Value, offset: Index) -> Value:
    if isinstance(offset, int) and offset == 0:
        return pointer
    return f.pure(f"getelementptr inbounds i8, ptr {pointer.text}, i64 {f.index(offset).text}", PTR)


def put(f: Function, pointer: Value, offset: Index, value: Value) -> None:
    f.store(value, at(f, pointer, offset))


def constant(f: Function, value: int) -> Value:
    return f.constant(I64, value)


def null(f: Function) -> Value:
    return Value(f, "null", PTR)


def invoke(f: Function, function: Value, returns: Type, *args: Value) -> Value:
    listed = ", ".join(f"{a.type.text} {a.text}" for a in args)
    text = f"call {returns.text} {function.text}({listed})"
    return f.instruction(text, returns)


def structure(f: Function, words: int) -> Value:
    """A structure for a call of XLA's interface, filled with zeros."""
    pointer = f.alloca(I64, words)
    for k in range(words):
        f.store(constant(f, 0), pointer, k)
    return pointer


def error_of(f: Function, api: Value, message: str, code: int) -> Value:
    args = structure(f, 4)
    put(f, args, 0, constant(f, 28))
    put(f, args, 16, f.module.constant_bytes(message.encode() + b"\0"))
    put(f, args, 24, f.constant(I32, code))
    return invoke(f, word(f, api, 48, PTR), PTR, args)


def destroy_error(f: Function, api: Value, error: Value) -> None:
    def destroy() -> None:
        args = structure(f, 3)
        put(f, args, 0, constant(f, 24))
        put(f, args, 16, error)
        f.line(f"call void {word(f, api, 64, PTR).text}(ptr {args.text})")

    control.when(f, error.compare("ne", null(f)), destroy)
