"""The JAX primitive that runs a compiled program.

On a CPU it is a custom call; lowered for any other platform, or for an export, it is the traced function itself.
Under `vmap` every buffer gets a leading axis, of length 1 where an array is shared by all members. A program that may
give up says so in one more result; the traced function then runs by XLA for those members, from the same arrays.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.interpreters import batching, mlir

from jaxbm.core.mapping import is_needed
from jaxbm.core.settings import array_type, varying_axes
from jaxbm.kernels.program import handler
from jaxbm.kernels.program.dependence import depending
from jaxbm.kernels.program.jaxprs import Primitive, jaxpr_as_fun
from jaxbm.kernels.program.table import Signature

Arrays = Sequence[jax.Array]

program_p = Primitive("jaxbm_program")
program_p.multiple_results = True
attempt_p = Primitive("jaxbm_attempt")
"""The custom call of a program that may give up: its results, and whether it did."""
attempt_p.multiple_results = True
GAVE_UP: tuple[tuple[int, ...], str] = ((), "int32")
"""The shape and dtype of the result that says so."""


class Native:
    """A program and the function that it stands for, a closed jaxpr of arrays (no keys).

    Two are equal if their code and the arrays that they captured are: `captured` goes in at each call, but the
    function by XLA has it inside.
    """

    def __init__(
        self,
        key: int,
        signature: Signature,
        weak: Sequence[bool],
        closed: Any,
        name: str,
        captured: Sequence[Any] = (),
        *,
        gives_up: bool = False,
    ) -> None:
        self.key, self.signature, self.weak, self.closed, self.name = key, signature, tuple(weak), closed, name
        self.gives_up, self.effects = gives_up, frozenset(closed.effects) if closed else frozenset()
        self._captured = list(captured)  # alive, so that their identities are theirs alone
        # What is in a branch that isn't native is no part of the code.
        own = id(closed) if gives_up else 0
        self.derivatives: dict[Any, Any] = {}
        self._identity = (key, signature, self.weak, tuple(map(id, self._captured)), own)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Native) and self._identity == other._identity

    def __hash__(self) -> int:
        return hash(self.key)

    def __repr__(self) -> str:
        return self.name

    @functools.cached_property
    def has_own_mapping(self) -> bool:
        """Whether something in it says itself what `vmap` makes of it, which need not be what its members give."""
        return self.closed is not None and has_own_mapping(self.closed)

    def __call__(self, *arrays: Any, lead: int = 0) -> list[Any]:
        """Run it, over `lead` leading axes of members."""
        return program_p.bind(*arrays, native=self, lead=lead)

    def plain(self, arrays: Arrays, lead: int = 0) -> list[Any]:
        """The function by XLA, over `lead` leading axes. What the program captured is in the function already."""
        function: Callable[..., Any] = jaxpr_as_fun(self.closed)
        arrays = arrays[: len(self.closed.in_avals)]
        return _over_members(function, list(arrays), lead)


def has_own_mapping(jaxpr: Any) -> bool:
    """Whether a function of `jax.custom_batching.custom_vmap` whose rule counts is anywhere in a jaxpr."""
    for eqn in getattr(jaxpr, "jaxpr", jaxpr).eqns:
        if eqn.primitive.name == "custom_vmap_call" and is_needed(eqn.params.get("rule")):
            return True
        if eqn.primitive.name == "jaxbm_program":
            inner: Any = [eqn.params["native"].closed]
        else:
            inner = [q for p in eqn.params.values() for q in (p if isinstance(p, tuple | list) else (p,))]
        if any(has_own_mapping(q) for q in inner if hasattr(getattr(q, "jaxpr", q), "eqns")):
            return True
    return False


def _over_members(function: Callable[..., Any], arrays: list[Any], lead: int) -> list[Any]:
    if not lead:
        return list(function(*arrays))
    size = max([a.shape[0] for a in arrays])
    axes = tuple(0 if a.shape[0] == size else None for a in arrays)
    held = [a if axis == 0 else a[0] for a, axis in zip(arrays, axes, strict=True)]
    inner = lambda *one: _over_members(function, list(one), lead - 1)  # noqa: E731
    if size == 1:
        return [r[None] for r in inner(*[a[0] for a in arrays])]
    return list(jax.vmap(inner, in_axes=axes)(*held))


@program_p.def_impl
def _impl(*arrays: Any, native: Native, lead: int) -> list[Any]:
    return native.plain(arrays, lead)


def _results(avals: Sequence[Any], native: Native, lead: int) -> list[Any]:
    """The results of the custom call: those of the function, and perhaps whether it gave up."""
    members = np.broadcast_shapes(*(a.shape[:lead] for a in avals)) if lead else ()
    varying: Any = frozenset().union(*map(varying_axes, avals))
    return [
        array_type((*members, *shape), dtype, weak, varying)
        for (shape, dtype), weak in zip(
            native.signature.results, (*native.weak, *[False] * native.gives_up), strict=True
        )
    ]


@program_p.def_effectful_abstract_eval
def _abstract(*avals: Any, native: Native, lead: int) -> tuple[list[Any], Any]:
    results = _results(avals, native, lead)
    return results[: len(native.weak)], native.effects


@attempt_p.def_abstract_eval
def _abstract_attempt(*avals: Any, native: Native, lead: int) -> list[Any]:
    return _results(avals, native, lead)


def over_members(arrays: Arrays, dims: Sequence[Any], *, native: Native, lead: int) -> tuple[Any, Any]:
    """The rule for `vmap`: the same program for each member."""
    lifted = [
        jnp.expand_dims(a, 0) if d is None else jnp.moveaxis(a, d, 0) for a, d in zip(arrays, dims, strict=True)
    ]
    out = program_p.bind(*lifted, native=native, lead=lead + 1)
    if not native.closed:
        return out, [0] * len(out)
    return unmapped(
        out, lambda: depending(native.closed, [d is not None for d in dims[: len(native.closed.in_avals)]])
    )


def unmapped(out: Arrays, varies: Callable[[], Sequence[bool]]) -> tuple[list[Any], list[Any]]:
    """Results of members and their mapped axes: as of a jitted function, what depends on nothing mapped has none."""
    if not all(r.shape[0] for r in out):
        return list(out), [0] * len(out)
    pairs = list(zip(out, varies(), strict=True))
    results = [r if v else lax.index_in_dim(r, 0, keepdims=False) for r, v in pairs]
    return results, [0 if v else None for _, v in pairs]


batching.primitive_batchers[program_p] = over_members


_as_function = mlir.lower_fun(lambda *arrays, native, lead: native.plain(arrays, lead), multiple_results=True)


def _attempted(*arrays: Any, native: Native, lead: int) -> list[Any]:
    """The program's results, or the function's where it gave up."""
    *results, gave_up = attempt_p.bind(*arrays, native=native, lead=lead)

    def by_xla(arrays: Arrays, results: Arrays) -> list[Any]:
        plain = native.plain(arrays, lead)
        if not lead:
            return plain
        # A member's bits don't depend on what others do.
        which = [lax.broadcast_in_dim(gave_up, r.shape, range(lead)) != 0 for r in results]
        return [jnp.where(w, p, r) for w, p, r in zip(which, plain, results, strict=True)]

    return list(lax.cond((gave_up != 0).any(), by_xla, lambda _, results: results, arrays, results))


_lower_attempted = mlir.lower_fun(_attempted, multiple_results=True)


def _lower_on_cpu(ctx: Any, *operands: Any, native: Native, lead: int) -> Any:
    if getattr(ctx.module_context.lowering_parameters, "for_export", False):
        return _as_function(ctx, *operands, native=native, lead=lead)
    if native.gives_up:
        return _lower_attempted(ctx, *operands, native=native, lead=lead)
    return _custom_call(ctx, *operands, native=native, lead=lead)


def _custom_call(ctx: Any, *operands: Any, native: Native, lead: int) -> Any:
    rule = jax.ffi.ffi_lowering(handler.NAME)
    return rule(ctx, *operands, lead=np.int64(lead), program=np.int64(native.key))


mlir.register_lowering(program_p, _as_function)
mlir.register_lowering(program_p, _lower_on_cpu, platform="cpu")
mlir.register_lowering(attempt_p, _custom_call, platform="cpu")
