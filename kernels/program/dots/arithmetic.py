"""The one operation that products are made of."""

from __future__ import annotations

from jaxbm.kernels.program.text import Function
from jaxbm.kernels.program.values import Value


def multiply_add(f: Function, dtype: str, a: Value, b: Value, sum: Value) -> Value:
    """a * b + sum: rounded once where the processor can; integers wrap around; booleans by and and or."""
    if dtype == "bool":
        return (a & b) | sum
    if a.type.is_float:
        return f.intrinsic("fmuladd", a, b, sum)
    return a * b + sum
