"""The function that XLA calls: it looks a program up by the hash of its content and runs it, for every member.

It speaks XLA's C interface for custom calls (xla/ffi/api/c_api.h: offsets below are those of its structures on 64-bit
machines, the same in every version from 0.1 to 0.5) and is written in LLVM IR itself, so no C++ compiler is needed.

A call has two attributes: `lead`, the number of leading axes that run over members, and `program`, the hash. Along a
leading axis a shared array has length 1. Members run on XLA's threads where there are enough of them; each computes
the same whatever the others do.
"""

from __future__ import annotations

from jaxbm.kernels.program import control, foreign
from jaxbm.kernels.program.text import Function, Module
from jaxbm.kernels.program.types import I1, I32, I64, PTR, VOID, type_of
from jaxbm.kernels.program.values import Index, Value

NAME = "jaxbm_program"
TABLE = "jaxbm_program_table"
ENTRY_WORDS = 8
"""hash, function, bytes of arena, arguments, results, address of their sizes, members from which on threads help,
unused; then as many addresses of arenas that are kept between calls as `KEPT` says."""
KEPT = 32
LARGEST_KEPT = 64 << 20
"""Bytes; a larger arena is given back after each call."""
# Status of a program, and what the error then says.
MESSAGES = {
    1: "a compiled program left the bounds of an array: please report it, with the function",
    2: "out of memory for a compiled program's intermediate arrays",
}
UNKNOWN = "no compiled program of this hash is known in this process: compile the function again here"
WRONG = "a compiled program was called with another number of arrays than it has"
INTERNAL = 13
NOT_FOUND = 5


def module(major: int, minor: int) -> str:
    """The module's text; its version is that of the interface which the running jaxlib speaks."""
    m = Module()
    _lookup(m)
    _take_arena(m)
    _keep_arena(m)
    _run_members(m)
    _task(m)
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


def _take_arena(m: Module) -> None:
    """ptr take_arena(ptr entry): memory for one run, one that was kept or a new one; null where there is none."""
    f = m.function("take_arena", [("program", PTR)], PTR, internal=True)
    (entry,) = f.params
    control.loop(f, KEPT, lambda k, _: _try_kept(f, entry, k))
    size = foreign.word(f, entry, 16) + 63
    f.ret(f.call("aligned_alloc", PTR, [foreign.constant(f, 64), (size.lshr(6) << 6) + 64]))


def _kept(f: Function, entry: Value, k: Index) -> Value:
    return foreign.at(f, entry, f.iadd(f.imul(k, 8), ENTRY_WORDS * 8))


def _try_kept(f: Function, entry: Value, k: Index) -> None:
    place = _kept(f, entry, k)
    seen = f.load(place, PTR)

    def swap() -> None:
        got = f.instruction(f"atomicrmw xchg ptr {place.text}, ptr null acq_rel", PTR)
        control.when(f, got.compare("ne", foreign.null(f)), lambda: _return(f, got))

    control.when(f, seen.compare("ne", foreign.null(f)), swap)


def _return(f: Function, value: Value | None) -> None:
    """Leave the function in the middle; what is written next can't be reached."""
    f.ret(value)
    f.start(f.label())


def _keep_arena(m: Module) -> None:
    """void keep_arena(ptr entry, ptr arena): keep it for a later call, or give it back."""
    f = m.function("keep_arena", [("program", PTR), ("arena", PTR)], VOID, internal=True)
    entry, arena = f.params

    def keep(k: Index, _: list[Value]) -> None:
        place = _kept(f, entry, k)

        def swap() -> None:
            text = f"cmpxchg ptr {place.text}, ptr null, ptr {arena.text} acq_rel monotonic"
            pair = f.instruction(text, type_of("{ ptr, i1 }"))
            control.when(f, f.extract(pair, 1, I1), lambda: _return(f, None))

        control.when(f, f.load(place, PTR).compare("eq", foreign.null(f)), swap)

    control.when(f, foreign.word(f, entry, 16).le(LARGEST_KEPT), lambda: control.loop(f, KEPT, keep))
    f.call("free", VOID, [arena])
    f.ret()


# What the threads of one call share: next member, finished ones, who still looks at it, status, entry, members,
# lead, buffers; then for each leading axis its length, and for each buffer its address and its strides in bytes.
NEXT, DONE, REFERENCES, STATUS, SHARED_ENTRY, MEMBERS, LEAD, BUFFERS, SHARED = 0, 8, 16, 24, 32, 40, 48, 56, 64


def _run_members(m: Module) -> None:
    """void run_members(ptr shared): take members until there is none left."""
    f = m.function("run_members", [("shared", PTR)], VOID, internal=True)
    (shared,) = f.params
    entry, members = foreign.word(f, shared, SHARED_ENTRY, PTR), foreign.word(f, shared, MEMBERS)
    lead, buffers = foreign.word(f, shared, LEAD), foreign.word(f, shared, BUFFERS)
    pointers = f.instruction(f"alloca ptr, i64 {buffers.text}, align 16", PTR)
    n_args = foreign.word(f, entry, 24)
    results = f.offset(pointers, PTR, n_args)
    function = foreign.word(f, entry, 8, PTR)
    arena = f.instruction(f"call ptr @take_arena(ptr {entry.text})", PTR)
    no_memory = arena.compare("eq", foreign.null(f))
    lengths = foreign.at(f, shared, SHARED)
    table = f.offset(lengths, I64, lead)

    def take() -> Value:
        return f.instruction(f"atomicrmw add ptr {shared.text}, i64 1 acq_rel", I64)

    def one(carry: list[Value]) -> list[Value]:
        (member,) = carry

        def place(b: Index, _: list[Value]) -> None:
            row = f.offset(table, I64, f.imul(b, lead + 1))

            def axis(a: Index, c: list[Value]) -> list[Value]:
                # The last axis runs fastest.
                k = f.iadd(f.iadd(lead, f.imul(a, -1)), -1)
                length = f.load(lengths, I64, k)
                index = f.binary("urem", c[0], length)
                stride = f.load(row, I64, f.iadd(k, 1))
                return [f.binary("udiv", c[0], length), c[1] + index * stride]

            offset = control.loop(f, lead, axis, [member, foreign.constant(f, 0)])[1]
            f.store(foreign.at(f, f.load(row, PTR), offset), pointers, b)

        control.loop(f, buffers, place)

        def run() -> list[Value]:
            return [foreign.invoke(f, function, I32, pointers, results, arena)]

        (status,) = control.choose(f, no_memory, lambda: [f.constant(I32, 2)], run)
        at = foreign.at(f, shared, STATUS)
        control.when(
            f, status.ne(0), lambda: f.line(f"store atomic i32 {status.text}, ptr {at.text} monotonic, align 4")
        )
        f.instruction(f"atomicrmw add ptr {foreign.at(f, shared, DONE).text}, i64 1 acq_rel", I64)
        return [take()]

    control.while_loop(f, lambda c: c[0].lt(members), one, [take()])
    control.when(f, ~no_memory, lambda: f.line(f"call void @keep_arena(ptr {entry.text}, ptr {arena.text})"))
    f.ret()


def _release(f: Function, shared: Value) -> None:
    before = f.instruction(f"atomicrmw sub ptr {foreign.at(f, shared, REFERENCES).text}, i64 1 acq_rel", I64)
    control.when(f, before.eq(1), lambda: f.call("free", VOID, [shared]))


def _task(m: Module) -> None:
    """void task(ptr shared): what a thread of the pool does; it may come when all is done."""
    f = m.function("task", [("shared", PTR)], VOID, internal=True)
    (shared,) = f.params
    started = f.instruction(f"load atomic i64, ptr {shared.text} acquire, align 8", I64)
    busy = started.lt(foreign.word(f, shared, MEMBERS))
    control.when(f, busy, lambda: f.line(f"call void @run_members(ptr {shared.text})"))
    _release(f, shared)
    f.ret()


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
    control.when(f, wrong, lambda: _return(f, foreign.error_of(f, api, WRONG, INTERNAL)))
    alone, many = f.label(), f.label()
    f.branch(lead.eq(0), alone, many)
    f.start(alone)
    with f.scope():
        _one_member(f, api, frame, entry, n_args, n_results)
    f.start(many)
    with f.scope():
        _many_members(f, api, context, frame, entry, lead, n_args, n_results)


def _scalar(f: Function, attributes: Value, k: int) -> Value:
    """The value of the k-th attribute, in the order of their names."""
    return foreign.word(f, f.load(f.load(attributes, PTR, k), PTR, 1), 0)


def _buffers(f: Function, frame: Value) -> tuple[Value, Value]:
    return foreign.word(f, frame, 72, PTR), foreign.word(f, frame, 112, PTR)


def _finish(f: Function, api: Value, status: Value) -> None:
    for code, message in MESSAGES.items():
        text = message
        control.when(f, status.eq(code), lambda text=text: _return(f, foreign.error_of(f, api, text, INTERNAL)))  # type: ignore[misc]
    f.ret(foreign.null(f))


def _one_member(f: Function, api: Value, frame: Value, entry: Value, n_args: Value, n_results: Value) -> None:
    pointers = f.instruction(f"alloca ptr, i64 {(n_args + n_results + 1).text}, align 16", PTR)
    results = f.offset(pointers, PTR, n_args)
    for n, buffers, to in zip((n_args, n_results), _buffers(f, frame), (pointers, results), strict=True):

        def copy(k: Index, _: list[Value], buffers: Value = buffers, to: Value = to) -> None:
            f.store(foreign.word(f, f.load(buffers, PTR, k), 24, PTR), to, k)

        control.loop(f, n, copy)
    arena = f.instruction(f"call ptr @take_arena(ptr {entry.text})", PTR)
    control.when(f, arena.compare("eq", foreign.null(f)), lambda: _finish_now(f, api, 2))
    status = foreign.invoke(f, foreign.word(f, entry, 8, PTR), I32, pointers, results, arena)
    f.line(f"call void @keep_arena(ptr {entry.text}, ptr {arena.text})")
    _finish(f, api, status)


def _finish_now(f: Function, api: Value, code: int) -> None:
    _return(f, foreign.error_of(f, api, MESSAGES[code], INTERNAL))


def _many_members(
    f: Function, api: Value, context: Value, frame: Value, entry: Value, lead: Value, n_args: Value, n_results: Value
) -> None:
    count = n_args + n_results
    words = lead + count * (lead + 1)
    shared = f.call("malloc", PTR, [words * 8 + SHARED])
    control.when(f, shared.compare("eq", foreign.null(f)), lambda: _finish_now(f, api, 2))
    arguments, results = _buffers(f, frame)
    lengths = foreign.at(f, shared, SHARED)
    # Results have every leading axis in full.
    dims = foreign.word(f, f.load(results, PTR, 0), 40, PTR)

    def length(a: Index, carry: list[Value]) -> list[Value]:
        n = f.load(dims, I64, a)
        f.store(n, lengths, a)
        return [carry[0] * n]

    (members,) = control.loop(f, lead, length, [foreign.constant(f, 1)])
    sizes = foreign.word(f, entry, 40, PTR)
    table = f.offset(lengths, I64, lead)

    def describe(b: Index, _: list[Value]) -> None:
        is_argument = f.compare("slt", f.index(b), n_args)
        (buffer,) = control.choose(
            f,
            is_argument,
            lambda: [f.load(arguments, PTR, b)],
            lambda: [f.load(results, PTR, f.iadd(b, 0 - n_args))],
        )
        row = f.offset(table, I64, f.imul(b, lead + 1))
        f.store(foreign.word(f, buffer, 24, PTR), row)
        own = foreign.word(f, buffer, 40, PTR)

        def stride(a: Index, carry: list[Value]) -> list[Value]:
            k = f.iadd(f.iadd(lead, f.imul(a, -1)), -1)
            n = f.load(own, I64, k)
            f.store(n.eq(1).select(0, carry[0]), row, f.iadd(k, 1))
            return [carry[0] * n]

        control.loop(f, lead, stride, [f.load(sizes, I64, b)])

    control.loop(f, count, describe)
    zero = foreign.constant(f, 0)
    for offset in (NEXT, DONE, STATUS):
        foreign.put(f, shared, offset, zero)
    for offset, value in ((MEMBERS, members), (LEAD, lead), (BUFFERS, count)):
        foreign.put(f, shared, offset, value)
    foreign.put(f, shared, SHARED_ENTRY, entry)
    foreign.put(f, shared, REFERENCES, foreign.constant(f, 1))
    control.when(f, members.ge(foreign.word(f, entry, 48)), lambda: _schedule(f, api, context, shared, members))
    f.line(f"call void @run_members(ptr {shared.text})")
    done = foreign.at(f, shared, DONE)

    def waiting(_: list[Value]) -> Value:
        return f.instruction(f"load atomic i64, ptr {done.text} acquire, align 8", I64).lt(members)

    def wait(_: list[Value]) -> list[Value]:
        f.call("sched_yield", I32, [])
        return []

    control.while_loop(f, waiting, wait, [])
    status = foreign.word(f, shared, STATUS, I32)
    _release(f, shared)
    _finish(f, api, status)


def _schedule(f: Function, api: Value, context: Value, shared: Value, members: Value) -> None:
    """Ask XLA's threads for help."""
    threads = f.alloca(I64)
    f.store(foreign.constant(f, 1), threads)
    question = foreign.structure(f, 4)
    foreign.put(f, question, 0, foreign.constant(f, 32))
    foreign.put(f, question, 16, context)
    foreign.put(f, question, 24, threads)
    foreign.destroy_error(f, api, foreign.invoke(f, foreign.word(f, api, 144, PTR), PTR, question))
    helpers = f.intrinsic("smin", f.load(threads, I64), members) - 1

    def ask(_: Index, __: list[Value]) -> None:
        f.instruction(f"atomicrmw add ptr {foreign.at(f, shared, REFERENCES).text}, i64 1 acq_rel", I64)
        request = foreign.structure(f, 5)
        foreign.put(f, request, 0, foreign.constant(f, 40))
        foreign.put(f, request, 16, context)
        foreign.put(f, request, 24, Value(f, "@task", PTR))
        foreign.put(f, request, 32, shared)
        error = foreign.invoke(f, foreign.word(f, api, 136, PTR), PTR, request)

        def refused() -> None:
            _release(f, shared)
            foreign.destroy_error(f, api, error)

        control.when(f, error.compare("ne", foreign.null(f)), refused)

    control.loop(f, helpers, ask)
