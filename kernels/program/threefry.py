"""JAX's default generator of random bits as LLVM IR, on scalars and vectors of 32-bit words.

Threefry-2x32 with 20 rounds: J. K. Salmon, M. A. Moraes, R. O. Dror and D. E. Shaw, "Parallel random numbers: as easy
as 1, 2, 3", SC 2011.
"""

from __future__ import annotations

from jaxbm.kernels.program.text import Function
from jaxbm.kernels.program.values import Value

ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
PARITY = 0x1BD11BDA


def call(f: Function, k0: Value, k1: Value, x0: Value, x1: Value) -> tuple[Value, Value]:
    """Two words from two words of key and two of a counter; asking twice for the same writes it once."""
    type = k0.type
    name = f"threefry.{type.suffix}"

    def define() -> None:
        params = [("k0", type), ("k1", type), ("x0", type), ("x1", type)]
        g = f.module.function(
            name,
            params,
            f"{{{type.text}, {type.text}}}",
            internal=True,
            attributes="alwaysinline nounwind memory(none)",
        )
        g.ret(g.struct(_rounds(g, *g.params)))

    f.module.once(name, define)
    both = f.call(name, f"{{{type.text}, {type.text}}}", [k0, k1, x0, x1], pure=True)
    return f.extract(both, 0, type), f.extract(both, 1, type)


def _rounds(f: Function, k0: Value, k1: Value, x0: Value, x1: Value) -> tuple[Value, Value]:
    keys = (k0, k1, k0 ^ k1 ^ PARITY)
    x0, x1 = x0 + keys[0], x1 + keys[1]
    for group in range(5):
        for r in ROTATIONS[group % 2]:
            x0 = x0 + x1
            x1 = x0 ^ ((x1 << r) | x1.lshr(32 - r))
        x0 = x0 + keys[(group + 1) % 3]
        x1 = x1 + keys[(group + 2) % 3] + (group + 1)
    return x0, x1
