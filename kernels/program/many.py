"""Many members of one call: the handler's threads take them one after another.

A shared array has length 1 along a leading axis. Each member computes the same whatever the others do.
"""

from __future__ import annotations

from jaxbm.kernels.program import control, foreign
from jaxbm.kernels.program.entry import OUT_OF_MEMORY, finish, finish_now, frame_buffers
from jaxbm.kernels.program.text import Function, Module
from jaxbm.kernels.program.types import I32, I64, PTR, VOID
from jaxbm.kernels.program.values import Index, Value

# What the threads of one call share: next member, finished ones, who still looks at it, status, entry, members,
# lead, buffers; then for each leading axis its length, and for each buffer its address and its strides in bytes.
NEXT, DONE, REFERENCES, STATUS, SHARED_ENTRY, MEMBERS, LEAD, BUFFERS, SHARED = 0, 8, 16, 24, 32, 40, 48, 56, 64


def write_run_members(m: Module) -> None:
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

        (status,) = control.choose(f, no_memory, lambda: [f.constant(I32, OUT_OF_MEMORY)], run)
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


def write_task(m: Module) -> None:
    """void task(ptr shared): what a thread of the pool does; it may come when all is done."""
    f = m.function("task", [("shared", PTR)], VOID, internal=True)
    (shared,) = f.params
    started = f.instruction(f"load atomic i64, ptr {shared.text} acquire, align 8", I64)
    busy = started.lt(foreign.word(f, shared, MEMBERS))
    control.when(f, busy, lambda: f.line(f"call void @run_members(ptr {shared.text})"))
    _release(f, shared)
    f.ret()


def many_members(
    f: Function, api: Value, context: Value, frame: Value, entry: Value, lead: Value, n_args: Value, n_results: Value
) -> None:
    """The call of a program with leading axes: what the threads share is set up, worked off and given back."""
    count = n_args + n_results
    words = lead + count * (lead + 1)
    shared = f.call("malloc", PTR, [words * 8 + SHARED])
    control.when(f, shared.compare("eq", foreign.null(f)), lambda: finish_now(f, api, OUT_OF_MEMORY))
    members = _described(f, frame, shared, entry, lead, n_args, count)
    zero = foreign.constant(f, 0)
    for offset in (NEXT, DONE, STATUS):
        foreign.put(f, shared, offset, zero)
    for offset, value in ((MEMBERS, members), (LEAD, lead), (BUFFERS, count)):
        foreign.put(f, shared, offset, value)
    foreign.put(f, shared, SHARED_ENTRY, entry)
    foreign.put(f, shared, REFERENCES, foreign.constant(f, 1))
    control.when(f, members.ge(foreign.word(f, entry, 48)), lambda: _schedule(f, api, context, shared, members))
    f.line(f"call void @run_members(ptr {shared.text})")
    _wait(f, foreign.at(f, shared, DONE), members)
    status = foreign.word(f, shared, STATUS, I32)
    _release(f, shared)
    finish(f, api, status)


def _described(
    f: Function, frame: Value, shared: Value, entry: Value, lead: Value, n_args: Value, count: Value
) -> Value:
    """How many members there are; behind what is shared come leading axes, and buffers with their strides."""
    arguments, results = frame_buffers(f, frame)
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
    return members


def _wait(f: Function, done: Value, members: Value) -> None:
    """Until the last member is done."""

    def waiting(_: list[Value]) -> Value:
        return f.instruction(f"load atomic i64, ptr {done.text} acquire, align 8", I64).lt(members)

    def wait(_: list[Value]) -> list[Value]:
        f.call("sched_yield", I32, [])
        return []

    control.while_loop(f, waiting, wait, [])


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
