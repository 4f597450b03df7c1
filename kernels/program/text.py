"""Writes LLVM IR as text: a module of functions, their blocks, loops and branches, and typed values.

A `Function` is written from top to bottom (loops and branches: `control`). Pure instructions are written once within
what dominates them: asking for `add(a, b)` twice gives the same value. Everything is linear in the program's length.

    module = Module()
    f = module.function("double_it", [("p", PTR), ("n", I64)])
    p, n = f.params
    loop(f, n, lambda i, _: f.store(f.load(p, F32, i) * 2.0, p, i))
    f.ret()
    module.text()  # for llvmlite.binding.parse_assembly

Floating point arithmetic is exactly what is written. `contract=True` on `fmul` and `fadd` allows their fusion into
one multiply-add; only sums and products of many terms may ask for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from jaxbm.kernels.program.function import Function, Parameter, type_text
from jaxbm.kernels.program.types import PTR, VOID, Type
from jaxbm.kernels.program.values import Value

__all__ = ["Function", "Module", "Parameter"]


class Module:
    """Functions, declarations, constants and metadata, each written once.

    `scales` says whether the processor multiplies by a power of two, with one rounding, by an instruction of its own.
    """

    def __init__(self, *, scales: bool = False) -> None:
        self.scales = scales
        self._functions: dict[str, Function | None] = {}
        self._declarations: dict[str, str] = {}
        self._globals: dict[str, str] = {}
        self._metadata: dict[str, int] = {}

    def function(
        self,
        name: str,
        params: Sequence[Parameter],
        returns: Type | str = VOID,
        *,
        internal: bool = False,
        attributes: str = "nounwind",
    ) -> Function:
        """Start a function. A parameter is (name, type) or (name, type, attributes), say "noalias nocapture"."""
        if self._functions.get(name) is not None:
            raise ValueError(f"function {name} is defined already")
        function = Function(self, name, params, returns, internal=internal, attributes=attributes)
        self._functions[name] = function
        return function

    def once(self, name: str, build: Callable[[], object]) -> str:
        """Call `build`, which defines the function `name`, unless that was done before; gives the name."""
        if name not in self._functions:
            self._functions[name] = None  # so that a function may refer to itself
            build()
        return name

    def has(self, name: str) -> bool:
        """Whether a function of this name is defined (or being defined)."""
        return name in self._functions

    def declare(self, name: str, returns: Type | str, params: Sequence[Type], attributes: str = "nounwind") -> str:
        """Declare an external function or intrinsic; once is enough, again is allowed."""
        if name not in self._declarations:
            types = ", ".join([p.text for p in params])
            self._declarations[name] = f"declare {type_text(returns)} @{name}({types}) {attributes}"
        return name

    def constant_bytes(self, data: bytes, align: int = 64) -> Value:
        """A pointer to constant data inside the module; equal data stand there once."""
        # Only letters and digits may stand in the text unescaped, so that no byte is ever taken for a quote.
        escaped = "".join([chr(b) if 48 <= b < 58 or 65 <= b < 91 or 97 <= b < 123 else f"\\{b:02X}" for b in data])
        body = f'private unnamed_addr constant [{len(data)} x i8] c"{escaped}", align {align}'
        name = self._globals.setdefault(body, f"@data{len(self._globals)}")
        return Value(None, name, PTR)

    def metadata(self, text: str) -> str:
        """A reference ("!3") to a metadata node of this text ("!{}")."""
        return f"!{self._metadata.setdefault(text, len(self._metadata))}"

    def text(self) -> str:
        """The whole module; every function must be finished."""
        parts = [f"{name} = {body}" for body, name in self._globals.items()]
        parts += [function.text() for function in self._functions.values() if function is not None]
        parts += [text for name, text in self._declarations.items() if name not in self._functions]
        parts += [f"!{number} = {text}" for text, number in self._metadata.items()]
        return "\n".join(parts) + "\n"
