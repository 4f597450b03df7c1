"""Derivatives of compiled programs, which are compiled programs themselves.

Forwards, the primitive `jaxbm_tangent` stands for the tangents: a linear function of the tangents of the arguments,
compiled from `jax.jvp`. Transposed, for `jax.grad`, it becomes the program of `jax.vjp`. Both compute the function
again from its arguments, so that nothing is kept between; a value that nobody needs is never computed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.interpreters import ad, batching, mlir

from jaxbm.kernels.program.build import Built, build
from jaxbm.kernels.program.call import Native, program_p, unmapped
from jaxbm.kernels.program.dependence import depending
from jaxbm.kernels.program.ir import NotNative
from jaxbm.kernels.program.jaxprs import Literal, Primitive

Arrays = Sequence[Any]
Places = tuple[int, ...]
LARGEST_SUM = 64 << 20
"""Bytes of gradients of all members for one shared array up to which they are summed after the call."""

tangent_p = Primitive("jaxbm_tangent")
tangent_p.multiple_results = True


def floating(native: Native) -> Places:
    """The results that have tangents."""
    results = native.signature.results[: len(native.weak)]
    return tuple(k for k, (_, dtype) in enumerate(results) if jnp.issubdtype(dtype, jnp.floating))


def _of_moving(native: Native, moving: Places, wanted: Places, lead: int, arrays: Arrays) -> Any:
    """Those results that are wanted as a function of those arguments that move."""

    def function(*values: Any) -> list[Any]:
        given = list(arrays)
        for k, v in zip(moving, values, strict=True):
            given[k] = v
        out = native.plain(given, lead)
        return [out[k] for k in wanted]

    return function


def by_jvp(native: Native, moving: Places, lead: int, arrays: Arrays, tangents: Arrays) -> list[Any]:
    """Tangents of the floating results, by JAX."""
    function = _of_moving(native, moving, floating(native), lead, arrays)
    return list(jax.jvp(function, [arrays[k] for k in moving], list(tangents))[1])


def by_vjp(
    native: Native, moving: Places, wanted: Places, lead: int, arrays: Arrays, cotangents: Arrays
) -> list[Any]:
    """Cotangents of the moving arguments from those of the wanted results, by JAX."""
    function = _of_moving(native, moving, wanted, lead, arrays)
    return list(jax.vjp(function, *[arrays[k] for k in moving])[1](list(cotangents)))


def _traced(native: Native, moving: Places, wanted: Places | None) -> Any:
    """The jaxpr of `jax.jvp`, or of `jax.vjp` for some results."""
    key = "jaxpr", moving, wanted
    if key not in native.derivatives:
        specs = [jax.ShapeDtypeStruct(a.shape, a.dtype, weak_type=a.weak_type) for a in native.closed.in_avals]
        if wanted is None:
            function: Any = lambda arrays, tangents: by_jvp(native, moving, 0, arrays, tangents)  # noqa: E731
            more = [specs[k] for k in moving]
        else:
            function = lambda arrays, cotangents: by_vjp(native, moving, wanted, 0, arrays, cotangents)  # noqa: E731
            more = [jax.ShapeDtypeStruct(*native.signature.results[k], weak_type=native.weak[k]) for k in wanted]
        native.derivatives[key] = jax.make_jaxpr(function)(specs, more)
    return native.derivatives[key]


def _program(native: Native, moving: Places, wanted: Places | None) -> Built | None:
    """The program of that jaxpr; None where it isn't native."""
    key = moving, wanted
    if key not in native.derivatives:
        try:
            native.derivatives[key] = build(_traced(native, moving, wanted), f"derivative of {native.name}")
        except NotNative:
            native.derivatives[key] = None
    return native.derivatives[key]


def is_differentiated_natively(native: Native) -> bool:
    """Whether it has no effects, which would come twice, and isn't within `shard_map`, whose sums are JAX's."""
    return not native.effects and not jax.sharding.get_abstract_mesh().manual_axes


def jvp(primals: Arrays, tangents: Arrays, *, native: Native, lead: int) -> tuple[list[Any], list[Any]]:
    """Results and tangents of a program, the rule for differentiating it."""
    moving = tuple(k for k, t in enumerate(tangents) if not isinstance(t, ad.Zero))
    marked = [k in moving for k in range(len(native.closed.in_avals))]
    moved = depending(native.closed, marked, smoothly=True)
    if not is_differentiated_natively(native):
        function = _of_moving(native, moving, tuple(range(len(native.weak))), lead, primals)
        out, out_tangents = jax.jvp(function, [primals[k] for k in moving], [tangents[k] for k in moving])
        return list(out), _with_zeros(out_tangents, moved)
    results = program_p.bind(*primals, native=native, lead=lead)
    made: dict[int, Any] = {}
    if any(moved):
        inputs = [*primals, *(tangents[k] for k in moving)]
        out_tangents = tangent_p.bind(*inputs, native=native, moving=moving, lead=lead)
        made = dict(zip(floating(native), out_tangents, strict=True))
    others: list[Any] = [np.zeros(r.shape, jax.dtypes.float0) for r in results]
    for k in floating(native):
        others[k] = ad.Zero(jax.typeof(results[k]))
    return results, [made[k] if moved[k] else others[k] for k in range(len(results))]


def _with_zeros(tangents: Arrays, moved: Sequence[bool]) -> list[Any]:
    """Tangents of what doesn't move as zeros that JAX knows as such: it multiplies nothing by them, which keeps NaN
    out of derivatives that exist."""
    return [
        ad.Zero(jax.typeof(t)) if not m and t.dtype != jax.dtypes.float0 else t
        for t, m in zip(tangents, moved, strict=True)
    ]


def _is_zero(closed: Any) -> list[bool]:
    """Which results of a derivative's jaxpr are zeros that JAX wrote where it knew that nothing else can be there."""
    made = {v: eqn for eqn in closed.jaxpr.eqns for v in eqn.outvars}
    known = {v for v, c in zip(closed.jaxpr.constvars, closed.consts, strict=True) if _is_nought(c)}

    def is_zero(v: Any) -> bool:
        if isinstance(v, Literal):
            return _is_nought(v.val)
        eqn = made.get(v)
        return v in known or (eqn is not None and eqn.primitive.name == "broadcast_in_dim" and is_zero(eqn.invars[0]))

    return [is_zero(v) for v in closed.jaxpr.outvars]


def _is_nought(value: Any) -> bool:
    return not isinstance(value, jax.core.Tracer) and not np.any(np.asarray(value))


def _split(args: Arrays, moving: Places) -> tuple[list[Any], list[Any]]:
    n = len(args) - len(moving)
    return list(args[:n]), list(args[n:])


@tangent_p.def_impl
def by_jax(*args: Any, native: Native, moving: Places, lead: int) -> list[Any]:
    """`jaxbm_tangent` as JAX computes it."""
    return by_jvp(native, moving, lead, *_split(args, moving))


@tangent_p.def_abstract_eval
def _abstract(*avals: Any, native: Native, moving: Places, lead: int) -> list[Any]:
    members = np.broadcast_shapes(*(a.shape[:lead] for a in avals)) if lead else ()
    types = [(*native.signature.results[k], native.weak[k]) for k in floating(native)]
    return [
        jax.core.ShapedArray((*members, *shape), jnp.dtype(dtype), weak_type=weak) for shape, dtype, weak in types
    ]


def _natively(*args: Any, native: Native, moving: Places, lead: int) -> list[Any]:
    arrays, tangents = _split(args, moving)
    built = None if lead and native.has_own_mapping else _program(native, moving, None)
    if built is None:
        return by_jvp(native, moving, lead, arrays, tangents)
    return built.over(lead, [*arrays[: len(native.closed.in_avals)], *tangents])


def _transpose(cotangents: Arrays, *args: Any, native: Native, moving: Places, lead: int) -> list[Any]:
    arrays, undefined = _split(args, moving)
    places = floating(native)
    pairs = [(k, ct) for k, ct in zip(places, cotangents, strict=True) if not isinstance(ct, ad.Zero)]
    nothing: list[Any] = [None] * len(arrays)
    if not pairs:
        return [*nothing, *(ad.Zero(x.aval) for x in undefined)]
    wanted, given = zip(*pairs, strict=True)
    out = pullback(native, moving, wanted, lead, arrays, given)
    return [*nothing, *_with_zeros(out, [not zero for zero in _is_zero(_traced(native, moving, wanted))])]


def pullback(
    native: Native, moving: Places, wanted: Places, lead: int, arrays: Arrays, cotangents: Arrays
) -> list[Any]:
    """Cotangents of the moving arguments, natively where that is possible; those of shared arrays are summed."""
    members = math.prod(cotangents[0].shape[:lead])
    shared = max([arrays[k].nbytes for k in moving if math.prod(arrays[k].shape[:lead]) < members], default=0)
    by_members = shared * members <= LARGEST_SUM and not (lead and native.has_own_mapping)
    built = _program(native, moving, wanted) if by_members else None
    if built is None:
        return by_vjp(native, moving, wanted, lead, arrays, cotangents)
    out = built.over(lead, [*arrays[: len(native.closed.in_avals)], *cotangents])
    sums = []
    for k, g in zip(moving, out, strict=True):
        axes = tuple(d for d in range(lead) if arrays[k].shape[d] < g.shape[d])
        sums.append(g.sum(axes, keepdims=True) if axes else g)
    return sums


def _batch(args: Arrays, dims: Sequence[Any], *, native: Native, moving: Places, lead: int) -> tuple[Any, Any]:
    lifted = [jnp.expand_dims(a, 0) if d is None else jnp.moveaxis(a, d, 0) for a, d in zip(args, dims, strict=True)]
    # A tangent has the shape of its array: where one of both differs between members, so do both.
    arrays, tangents = _split(lifted, moving)
    for i, k in enumerate(moving):
        shape = np.broadcast_shapes(arrays[k].shape, tangents[i].shape)
        arrays[k], tangents[i] = jnp.broadcast_to(arrays[k], shape), jnp.broadcast_to(tangents[i], shape)
    out = tangent_p.bind(*arrays, *tangents, native=native, moving=moving, lead=lead + 1)
    n = len(native.closed.in_avals)
    of_arrays, of_tangents = _split([d is not None for d in dims], moving)
    return unmapped(out, lambda: depending(_traced(native, moving, None), [*of_arrays[:n], *of_tangents]))


def _again(primals: Arrays, tangents: Arrays, *, native: Native, moving: Places, lead: int) -> tuple[Any, Any]:
    """The derivative of a derivative."""
    places = [k for k, t in enumerate(tangents) if not isinstance(t, ad.Zero)]

    def function(*values: Any) -> list[Any]:
        args = list(primals)
        for k, v in zip(places, values, strict=True):
            args[k] = v
        return by_jax(*args, native=native, moving=moving, lead=lead)

    out, out_tangents = jax.jvp(function, [primals[k] for k in places], [tangents[k] for k in places])
    n = len(native.closed.in_avals)
    marked = [k in places for k in (*range(n), *range(len(primals) - len(moving), len(primals)))]
    return out, _with_zeros(out_tangents, depending(_traced(native, moving, None), marked, smoothly=True))


def _transpose_function(cotangents: Arrays, *args: Any, native: Native, lead: int) -> list[Any]:
    """The transpose of a linear function, as `jax.linear_transpose` asks for it, by JAX."""
    moving = tuple(k for k, x in enumerate(args) if ad.is_undefined_primal(x))
    function = _of_moving(native, moving, tuple(range(len(native.weak))), lead, args)
    given = [ad.instantiate_zeros(ct) for ct in cotangents]
    made = dict(zip(moving, jax.linear_transpose(function, *(args[k].aval for k in moving))(given), strict=True))
    return [made.get(k) for k in range(len(args))]


ad.primitive_jvps[program_p] = jvp
ad.primitive_transposes[program_p] = _transpose_function
batching.primitive_batchers[tangent_p] = _batch
ad.primitive_jvps[tangent_p] = _again
ad.primitive_transposes[tangent_p] = _transpose
_lower_by_jax = mlir.lower_fun(by_jax, multiple_results=True)
_lower_natively = mlir.lower_fun(_natively, multiple_results=True)


def _lower_on_cpu(ctx: Any, *operands: Any, **params: Any) -> Any:
    exported = getattr(ctx.module_context.lowering_parameters, "for_export", False)
    return (_lower_by_jax if exported else _lower_natively)(ctx, *operands, **params)


mlir.register_lowering(tangent_p, _lower_by_jax)
mlir.register_lowering(tangent_p, _lower_on_cpu, platform="cpu")
