"""A program's entry in the table: its arenas, which are kept between calls, and what becomes of its status."""

from __future__ import annotations

from jaxbm.kernels.program import control, foreign
from jaxbm.kernels.program.text import Function, Module
from jaxbm.kernels.program.types import I1, PTR, VOID, type_of
from jaxbm.kernels.program.values import Index, Value

ENTRY_WORDS = 8
"""hash, function, bytes of arena, arguments, results, address of their sizes, members from which on threads help,
unused; then as many addresses of arenas that are kept between calls as `KEPT` says."""
KEPT = 32
LARGEST_KEPT = 64 << 20
"""Bytes; a larger arena is given back after each call."""
OUT_OF_BOUNDS, OUT_OF_MEMORY = 1, 2
MESSAGES = {
    OUT_OF_BOUNDS: "a compiled program left the bounds of an array: please report it, with the function",
    OUT_OF_MEMORY: "out of memory for a compiled program's intermediate arrays",
}
"""What the error of a call says, by the status of the program."""
INTERNAL = 13


def write_take_arena(m: Module) -> None:
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
        control.when(f, got.compare("ne", foreign.null(f)), lambda: leave(f, got))

    control.when(f, seen.compare("ne", foreign.null(f)), swap)


def leave(f: Function, value: Value | None) -> None:
    """Leave the function in the middle; what is written next can't be reached."""
    f.ret(value)
    f.start(f.label())


def write_keep_arena(m: Module) -> None:
    """void keep_arena(ptr entry, ptr arena): keep it for a later call, or give it back."""
    f = m.function("keep_arena", [("program", PTR), ("arena", PTR)], VOID, internal=True)
    entry, arena = f.params

    def keep(k: Index, _: list[Value]) -> None:
        place = _kept(f, entry, k)

        def swap() -> None:
            text = f"cmpxchg ptr {place.text}, ptr null, ptr {arena.text} acq_rel monotonic"
            pair = f.instruction(text, type_of("{ ptr, i1 }"))
            control.when(f, f.extract(pair, 1, I1), lambda: leave(f, None))

        control.when(f, f.load(place, PTR).compare("eq", foreign.null(f)), swap)

    control.when(f, foreign.word(f, entry, 16).le(LARGEST_KEPT), lambda: control.loop(f, KEPT, keep))
    f.call("free", VOID, [arena])
    f.ret()


def frame_buffers(f: Function, frame: Value) -> tuple[Value, Value]:
    """The tables of a call's arguments and results."""
    return foreign.word(f, frame, 72, PTR), foreign.word(f, frame, 112, PTR)


def finish(f: Function, api: Value, status: Value) -> None:
    """Leave the handler with what a program's status says."""
    for code, message in MESSAGES.items():
        text = message
        control.when(f, status.eq(code), lambda text=text: leave(f, foreign.error_of(f, api, text, INTERNAL)))  # type: ignore[misc]
    f.ret(foreign.null(f))


def finish_now(f: Function, api: Value, code: int) -> None:
    """Leave the handler in the middle, with an error."""
    leave(f, foreign.error_of(f, api, MESSAGES[code], INTERNAL))
