"""A function under construction: typed instructions, each pure one written once where it dominates, and blocks."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from jaxbm.kernels.program.types import I8, I32, I64, PTR, VOID, Type, literal, type_of
from jaxbm.kernels.program.values import Index, Value, same_type

if TYPE_CHECKING:
    from jaxbm.kernels.program.text import Module

Parameter = tuple[str, Type] | tuple[str, Type, str]
"""name, type and perhaps attributes, say "noalias readonly" """


def type_text(returns: Type | str) -> str:
    """A type, or a struct's text, as text."""
    return returns if isinstance(returns, str) else returns.text


class Function:
    """One function under construction. `params` are its parameters as values, `block` the label now written to."""

    def __init__(
        self,
        module: Module,
        name: str,
        params: Sequence[Parameter],
        returns: Type | str,
        *,
        internal: bool,
        attributes: str,
    ) -> None:
        self.module, self.name, self.returns = module, name, returns
        self.params = [Value(self, f"%{p[0]}", p[1]) for p in params]
        listed = ", ".join([" ".join(filter(None, (p[1].text, *p[2:], f"%{p[0]}"))) for p in params])
        self._head = f"define {'internal ' if internal else ''}{type_text(returns)} @{name}({listed}) {attributes} {{"
        self.block = "entry"
        self._lines: list[str | None] = ["entry:"]
        self._known: list[dict[str, Value]] = [{}]  # the innermost scope last; each dominates the next
        self._count = 0
        self._slots: list[str] = []

    def text(self) -> str:
        """The definition."""
        lines = [line for line in self._lines if line]
        return "\n".join([self._head, lines[0], *self._slots, *lines[1:], "}"])

    # Instructions

    def line(self, text: str) -> None:
        """Write an instruction without a result."""
        self._lines.append("  " + text)

    def instruction(self, text: str, type: Type) -> Value:
        """Write an instruction with a result of this type that may not be shared (a load, a call with effects)."""
        self._count += 1
        name = f"%v{self._count}"
        self._lines.append(f"  {name} = {text}")
        return Value(self, name, type)

    def pure(self, text: str, type: Type) -> Value:
        """The result of an instruction that depends on nothing but its operands, written when first asked for."""
        for scope in reversed(self._known):
            value = scope.get(text)
            if value is not None:
                return value
        value = self.instruction(text, type)
        self._known[-1][text] = value
        return value

    def constant(self, type: Type, value: Any) -> Value:
        """A constant; the same in every lane of a vector."""
        text = literal(type.scalar, value)
        return Value(self, f"splat ({type.kind} {text})" if type.lanes else text, type)

    def binary(self, op: str, a: Value, b: Value, flags: str = "") -> Value:
        """An arithmetic or bitwise instruction ("fadd", "mul", "lshr", ...) of two values of one type."""
        same_type(op, a, b)
        return self.pure(f"{op} {flags + ' ' if flags else ''}{a.type.text} {a.text}, {b.text}", a.type)

    def fadd(self, a: Value, b: Value, *, contract: bool = False) -> Value:
        """a + b."""
        return self.binary("fadd", a, b, "contract" if contract else "")

    def fmul(self, a: Value, b: Value, *, contract: bool = False) -> Value:
        """a * b."""
        return self.binary("fmul", a, b, "contract" if contract else "")

    def compare(self, predicate: str, a: Value, b: Value) -> Value:
        """fcmp for floats ("oeq", "ult", "uno", ...), icmp for integers and pointers ("eq", "slt", "ult", ...)."""
        same_type(predicate, a, b)
        op = "fcmp" if a.type.is_float else "icmp"
        return self.pure(f"{op} {predicate} {a.type.text} {a.text}, {b.text}", a.type.with_kind("i1"))

    def select(self, condition: Value, a: Value, b: Value) -> Value:
        """a where the condition holds, else b."""
        same_type("select", a, b)
        if a.text == b.text:
            return a
        text = f"select {condition.type.text} {condition.text}, {a.type.text} {a.text}, {b.type.text} {b.text}"
        return self.pure(text, a.type)

    def cast(self, op: str, a: Value, kind: str) -> Value:
        """A conversion ("sitofp", "trunc", "bitcast", "fpext", ...) of every lane to another kind."""
        to = a.type.with_kind(kind)
        return a if to is a.type else self.pure(f"{op} {a.type.text} {a.text} to {to.text}", to)

    def intrinsic(self, name: str, *args: Value, extra: Sequence[Value] = (), returns: Type | None = None) -> Value:
        """`llvm.name` for the type of the first argument; `extra` are further arguments of other types (flags)."""
        type = args[0].type
        full = f"llvm.{name}.{type.suffix}"
        return self.call(full, returns or type, [*args, *extra], attributes="nounwind memory(none)", pure=True)

    def call(
        self,
        name: str,
        returns: Type | str,
        args: Sequence[Value],
        *,
        attributes: str = "nounwind",
        pure: bool = False,
    ) -> Value:
        """Call a function, declaring it where the module doesn't define it. A struct type is given as its text."""
        self.module.declare(name, returns, [a.type for a in args], attributes)
        text = f"call {type_text(returns)} @{name}({', '.join([f'{a.type.text} {a.text}' for a in args])})"
        if returns is VOID:
            self.line(text)
            return Value(self, "", VOID)
        type = returns if isinstance(returns, Type) else type_of(returns)
        return self.pure(text, type) if pure else self.instruction(text, type)

    def extract(self, aggregate: Value, index: int, type: Type) -> Value:
        """A field of a struct."""
        return self.pure(f"extractvalue {aggregate.type.text} {aggregate.text}, {index}", type)

    def struct(self, fields: Sequence[Value]) -> Value:
        """A struct of these values, as a function with several results returns it."""
        type = type_of("{" + ", ".join([v.type.text for v in fields]) + "}")
        out = Value(self, "poison", type)
        for k, v in enumerate(fields):
            out = self.pure(f"insertvalue {type.text} {out.text}, {v.type.text} {v.text}, {k}", type)
        return out

    # Vectors

    def splat(self, a: Value, lanes: int) -> Value:
        """A vector with a in every lane; a itself where lanes is 0."""
        if not lanes or a.type.lanes:
            return a
        to = a.type.vector(lanes)
        if a.is_constant:
            return Value(self, f"splat ({a.type.text} {a.text})", to)
        one = self.pure(f"insertelement {to.text} poison, {a.type.text} {a.text}, i64 0", to)
        return self.shuffle(one, one, [0] * lanes)

    def shuffle(self, a: Value, b: Value, lanes: Sequence[int]) -> Value:
        """The lanes chosen from those of a followed by those of b."""
        n, t = len(lanes), a.type.text
        mask = "zeroinitializer" if not any(lanes) else f"<{', '.join([f'i32 {k}' for k in lanes])}>"
        second = "poison" if max(lanes) < a.type.lanes else b.text
        return self.pure(f"shufflevector {t} {a.text}, {t} {second}, <{n} x i32> {mask}", a.type.vector(n))

    def lane(self, a: Value, index: int) -> Value:
        """One lane as a scalar."""
        return self.pure(f"extractelement {a.type.text} {a.text}, i64 {index}", a.type.scalar)

    def with_lane(self, a: Value, index: int, value: Value) -> Value:
        """a with one lane replaced."""
        return self.pure(f"insertelement {a.type.text} {a.text}, {value.type.text} {value.text}, i64 {index}", a.type)

    def pack(self, values: Sequence[Value]) -> Value:
        """A vector of scalars."""
        if all(v.text == values[0].text for v in values):
            return self.splat(values[0], len(values))
        out = Value(self, "poison", values[0].type.vector(len(values)))
        for k, v in enumerate(values):
            out = self.with_lane(out, k, v)
        return out

    def unpack(self, a: Value) -> list[Value]:
        """The lanes as scalars."""
        return [self.lane(a, k) for k in range(a.type.lanes)] if a.type.lanes else [a]

    # Addresses: an index is a Python integer or an i64 value; what is known is computed now.

    def index(self, i: Index) -> Value:
        """The index as a value."""
        return i if isinstance(i, Value) else Value(self, str(i), I64)

    def iadd(self, a: Index, b: Index) -> Index:
        """a + b."""
        if isinstance(a, int):
            a, b = b, a
        if isinstance(a, int):
            return a + b
        if isinstance(b, int) and b == 0:
            return a
        return self.binary("add nsw", a, self.index(b))

    def imul(self, a: Index, b: Index) -> Index:
        """a * b."""
        if isinstance(a, int):
            a, b = b, a
        if isinstance(a, int):
            return a * b
        if isinstance(b, int) and b in (0, 1):
            return a if b else 0
        return self.binary("mul nsw", a, self.index(b))

    def offset(self, pointer: Value, type: Type, index: Index) -> Value:
        """The address of element `index` of an array of scalars of this type."""
        if isinstance(index, int) and index == 0:
            return pointer
        kind = "i8" if type.kind == "i1" else type.kind
        return self.pure(f"getelementptr inbounds {kind}, ptr {pointer.text}, i64 {self.index(index).text}", PTR)

    def load(self, pointer: Value, type: Type, index: Index = 0, *, metadata: str = "") -> Value:
        """Element `index` of an array, or the vector that starts there. A boolean is a byte in memory."""
        at = self.offset(pointer, type, index)
        stored = type.with_kind("i8") if type.kind == "i1" else type
        value = self.instruction(f"load {stored.text}, ptr {at.text}, align {type.itemsize}{metadata}", stored)
        return value if stored is type else self.compare("ne", value, self.constant(stored, 0))

    def store(self, value: Value, pointer: Value, index: Index = 0, *, metadata: str = "") -> None:
        """Write a scalar or vector to element `index` and those after it."""
        at = self.offset(pointer, value.type, index)
        if value.type.kind == "i1":
            value = self.cast("zext", value, "i8")
        self.line(f"store {value.type.text} {value.text}, ptr {at.text}, align {value.type.itemsize}{metadata}")

    def prefetch(self, pointer: Value) -> None:
        """Ask for a cache line, to come as near as the second level. An address may lie outside of any array."""
        self.module.declare("llvm.prefetch.p0", VOID, [PTR, I32, I32, I32], "nounwind")
        self.line(f"call void @llvm.prefetch.p0(ptr {pointer.text}, i32 0, i32 2, i32 1)")

    def alloca(self, type: Type, count: int = 1, align: int = 64) -> Value:
        """A small buffer on the stack for as long as the function runs, wherever in it this is asked for."""
        self._count += 1
        kind = I8 if type.kind == "i1" else type
        self._slots.append(f"  %v{self._count} = alloca [{count} x {kind.text}], align {align}")
        return Value(self, f"%v{self._count}", PTR)

    # Control

    def label(self) -> str:
        """A new label."""
        self._count += 1
        return f"L{self._count}"

    def start(self, label: str) -> None:
        """Begin a block."""
        self._lines.append(f"{label}:")
        self.block = label

    def jump(self, label: str) -> None:
        """Go to a block."""
        self.line(f"br label %{label}")

    def branch(self, condition: Value, then: str, otherwise: str, metadata: str = "") -> None:
        """Go to one of two blocks."""
        self.line(f"br i1 {condition.text}, label %{then}, label %{otherwise}{metadata}")

    def ret(self, value: Value | None = None) -> None:
        """Return."""
        self.line("ret void" if value is None else f"ret {value.type.text} {value.text}")

    def phi(self, incoming: Iterable[tuple[Value, str]]) -> Value:
        """The value that comes from the block last left; at the start of a block only."""
        pairs = list(incoming)
        text = ", ".join([f"[ {v.text}, %{block} ]" for v, block in pairs])
        return self.instruction(f"phi {pairs[0][0].type.text} {text}", pairs[0][0].type)

    def reserve(self) -> int:
        """A place in the text to be filled later (a loop's phis need what its end computes)."""
        self._lines.append(None)
        return len(self._lines) - 1

    def fill(self, place: int, lines: Sequence[str]) -> None:
        """Write instructions into a reserved place."""
        self._lines[place] = "\n".join(["  " + line for line in lines])

    def position(self) -> int:
        """Where the next line will stand."""
        return len(self._lines)

    def written(self, start: int, stop: int) -> list[str | None]:
        """The lines between two positions."""
        return self._lines[start:stop]

    def rewrite(self, start: int, lines: Sequence[str]) -> None:
        """Put these in place of all lines from a position on."""
        self._lines[start:] = lines

    def fresh(self, type: Type) -> Value:
        """A name for a value that is defined later."""
        self._count += 1
        return Value(self, f"%v{self._count}", type)

    @contextlib.contextmanager
    def scope(self) -> Iterator[None]:
        """Within it, nothing that is written is taken for known afterwards: for code that may not run."""
        self._known.append({})
        try:
            yield
        finally:
            self._known.pop()
