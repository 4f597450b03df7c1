"""Writes a product's function into a module."""

from __future__ import annotations

from jaxbm.kernels.program.control import loop
from jaxbm.kernels.program.dots import lines, tiles
from jaxbm.kernels.program.dots.plan import Spec, Target, host, plan
from jaxbm.kernels.program.text import Module
from jaxbm.kernels.program.types import PTR
from jaxbm.kernels.program.values import Index, Value

_PARAMS = (("left", PTR, "noalias readonly"), ("right", PTR, "noalias readonly"), ("out", PTR, "noalias"))


def emit(module: Module, spec: Spec, target: Target | None = None) -> str:
    """Define `void name(left, right, out)` for this product, unless the module has it; gives the name.

    Args:
        spec: shape, type and strides; all lengths at least one.
        target: the processor; this one where None.
    """
    target = target or host()
    if min(spec.batch, spec.m, spec.n, spec.k) < 1:
        raise ValueError(f"every length of a product must be at least one, got {spec}")
    numbers = (*spec[1:5], *spec.left, *spec.right, *spec.out)
    name = f"dot.{spec.dtype}." + ".".join([str(v) for v in numbers])

    def define() -> None:
        chosen = plan(spec, target)
        attributes = f'noinline nounwind "prefer-vector-width"="{8 * target.vector_bytes}"'
        f = module.function(name, _PARAMS, internal=True, attributes=attributes)
        left, right, out = f.params
        if chosen.spec != spec:
            left, right = right, left
        write = lines.write if chosen.kind == "lines" else tiles.write

        def entry(b: Index, _: list[Value]) -> None:
            s, type = chosen.spec, spec.type
            write(
                f,
                chosen,
                f.offset(left, type, f.imul(b, s.left[0])),
                f.offset(right, type, f.imul(b, s.right[0])),
                f.offset(out, type, f.imul(b, s.out[0])),
            )

        loop(f, spec.batch, entry)
        f.ret()

    return module.once(name, define)
