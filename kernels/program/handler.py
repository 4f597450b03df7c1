"""The function that XLA calls: it looks a program up by the hash of its content and runs it, for every member.

It speaks XLA's C interface for custom calls (xla/ffi/api/c_api.h: offsets below are those of its structures on 64-bit
machines, the same in every version from 0.1 to 0.5) and is written in LLVM IR itself, so no C++ compiler is needed.

A call has two attributes: `lead`, the number of leading axes that run over members, and `program`, the hash. Along a
leading axis a shared array has length 1. Members run on XLA's threads where there are enough of them; each computes
the same whatever the others do.
"""

from __future__ import annotations

from jaxbm.kernels.program import control, foreign
from jaxbm.kernels.program.entry import (
    INTERNAL,
    OUT_OF_MEMORY,
    finish,
    finish_now,
    frame_buffers,
    leave,
    write_keep_arena,
    write_take_arena,
)
from jaxbm.kernels.program.many import many_members, write_run_members, write_task
from jaxbm.kernels.program.text import Function, Module
from jaxbm.kernels.program.types import I32, I64, PTR
from jaxbm.kernels.program.values import Index, Value

NAME = "jaxbm_program"
TABLE = "jaxbm_program_table"
UNKNOWN = "no compiled program of this hash is known in this process: compile the function again here"
WRONG = "a compiled program was called with another number of arrays than it has"
NOT_FOUND = 5


def module(major: int, minor: int) -> str:
    """The module's text; its version is that of the interface which the running jaxlib speaks."""
    m = Module()
    _lookup(m)
    write_take_arena(m)
    write_keep_arena(m)
    write_run_members(m)
    write_task(m)
    f = m.function(NAME, [("frame", PTR)], PTR)
    (frame,) = f.params
    _answer_metadata(f, frame, major, minor)
    _execute(f, frame)
    return f"@{TABLE} = global ptr null\n" + m.text()


def _answer_metadata(f: Function, frame: Value, major: int, minor: int) -> None:
    """Before the first call XLA asks for the version of the interface."""
    extension = foreign.word(f, frame, 8, PTR)
    asked, go_on = f.label(), f.label()
    f.branch(extension.compare("ne", foreign.null(f)), asked, go_on)
    f.start(asked)
    with f.scope():
        metadata = foreign.word(f, extension, 24, PTR)
        foreign.put(f, metadata, 8, foreign.constant(f, 24))
        foreign.put(f, metadata, 16, foreign.null(f))
        foreign.put(f, metadata, 24, f.constant(I32, major))
        foreign.put(f, metadata, 28, f.constant(I32, minor))
        foreign.put(f, metadata, 32, f.constant(I32, 0))
        control.when(
            f, foreign.word(f, metadata, 0).ge(48), lambda: foreign.put(f, metadata, 40, foreign.constant(f, 0))
        )
        f.ret(foreign.null(f))
    f.start(go_on)


def _lookup(m: Module) -> None:
    """ptr lookup(i64 hash): the program's entry, or null. The table: mask, then pairs of hash and entry."""
    f = m.function("lookup", [("hash", I64)], PTR, internal=True)
    (wanted,) = f.params
    table = f.instruction(f"load atomic ptr, ptr @{TABLE} acquire, align 8", PTR)
    mask = foreign.word(f, table, 0)

    def slot(i: Value) -> Value:
        return foreign.at(f, table, f.iadd(f.imul(i & mask, 16), 8))

    def going(carry: list[Value]) -> Value:
        here = slot(carry[0])
        return foreign.word(f, here, 0).ne(wanted) & foreign.word(f, here, 8, PTR).compare("ne", foreign.null(f))

    (found,) = control.while_loop(f, going, lambda c: [c[0] + 1], [wanted])
    f.ret(foreign.word(f, slot(found), 8, PTR))


def _execute(f: Function, frame: Value) -> None:
    api, context = foreign.word(f, frame, 16, PTR), foreign.word(f, frame, 24, PTR)
    attributes = foreign.word(f, frame, 160, PTR)
    lead = _scalar(f, attributes, 0)
    entry = f.call("lookup", PTR, [_scalar(f, attributes, 1)])
    unknown, known = f.label(), f.label()
    f.branch(entry.compare("eq", foreign.null(f)), unknown, known)
    f.start(unknown)
    with f.scope():
        f.ret(foreign.error_of(f, api, UNKNOWN, NOT_FOUND))
    f.start(known)
    n_args, n_results = foreign.word(f, frame, 56), foreign.word(f, frame, 96)
    wrong = n_args.ne(foreign.word(f, entry, 24)) | n_results.ne(foreign.word(f, entry, 32))
    control.when(f, wrong, lambda: leave(f, foreign.error_of(f, api, WRONG, INTERNAL)))
    alone, many = f.label(), f.label()
    f.branch(lead.eq(0), alone, many)
    f.start(alone)
    with f.scope():
        _one_member(f, api, frame, entry, n_args, n_results)
    f.start(many)
    with f.scope():
        many_members(f, api, context, frame, entry, lead, n_args, n_results)


def _scalar(f: Function, attributes: Value, k: int) -> Value:
    """The value of the k-th attribute, in the order of their names."""
    return foreign.word(f, f.load(f.load(attributes, PTR, k), PTR, 1), 0)


def _one_member(f: Function, api: Value, frame: Value, entry: Value, n_args: Value, n_results: Value) -> None:
    pointers = f.instruction(f"alloca ptr, i64 {(n_args + n_results + 1).text}, align 16", PTR)
    results = f.offset(pointers, PTR, n_args)
    for n, buffers, to in zip((n_args, n_results), frame_buffers(f, frame), (pointers, results), strict=True):

        def copy(k: Index, _: list[Value], buffers: Value = buffers, to: Value = to) -> None:
            f.store(foreign.word(f, f.load(buffers, PTR, k), 24, PTR), to, k)

        control.loop(f, n, copy)
    arena = f.instruction(f"call ptr @take_arena(ptr {entry.text})", PTR)
    control.when(f, arena.compare("eq", foreign.null(f)), lambda: finish_now(f, api, OUT_OF_MEMORY))
    status = foreign.invoke(f, foreign.word(f, entry, 8, PTR), I32, pointers, results, arena)
    f.line(f"call void @keep_arena(ptr {entry.text}, ptr {arena.text})")
    finish(f, api, status)
