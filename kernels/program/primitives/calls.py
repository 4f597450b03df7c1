"""Primitives that hold a function: it becomes a part of the program."""

from __future__ import annotations

from typing import Any

import numpy as np

from jaxbm.kernels.program.ir import NotNative, Value
from jaxbm.kernels.program.registry import rule
from jaxbm.kernels.program.trace import Tracer

JIT = (
    "jaxpr", "in_shardings", "out_shardings", "in_layouts", "out_layouts", "donated_invars", "ctx_mesh", "name",
    "keep_unused", "inline", "compiler_options_kvs",
)  # fmt: skip

JITTED = ("jit", "pjit")
WITH_RULES = (
    "closed_call", "core_call", "remat", "remat2", "checkpoint", "custom_jvp_call", "custom_vjp_call",
    "custom_vjp_call_jaxpr",
)  # fmt: skip
"""Primitives whose operands are those of the function in them."""


def body_of(eqn: Any) -> Any:
    """The function in an equation, by any of the names that it has."""
    for name in ("jaxpr", "call_jaxpr", "fun_jaxpr", "callee"):
        if name in eqn.params:
            return eqn.params[name]
    raise NotNative("its function has another name than in the versions of JAX that are known here")


@rule(*JITTED, kind="call", params=JIT)
def jit(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """A jitted function inside."""
    if eqn.params.get("compiler_options_kvs"):
        raise NotNative("compiler options of its own")
    return tracer.closed(body_of(eqn), inputs)


@rule(
    *WITH_RULES, "custom_lin", "name", "custom_vmap_call", "linear_call", "composite",
    kind="call",
    params=(
        "jaxpr", "call_jaxpr", "fun_jaxpr", "name", "prevent_cse", "differentiated", "policy", "jvp_jaxpr_fun",
        "jvp_jaxpr_thunk", "num_consts", "symbolic_zeros", "fwd_jaxpr_thunk", "fwd", "bwd", "out_trees", "call",
        "rule", "in_tree", "out_tree", "inline", "callee", "transpose_thunk", "num_callee_consts", "num_res",
        "attributes", "version",
    ),
)  # fmt: skip
def call(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """A function inside, with rules of its own for differentiation or recomputation."""
    if eqn.primitive.name == "name":
        return inputs
    if eqn.primitive.name == "custom_vmap_call":
        return tracer.closed(eqn.params["call"], inputs)
    return tracer.closed(body_of(eqn), inputs)


@rule("custom_linear_solve", kind="call", params=("const_lengths", "jaxprs"))
def custom_linear_solve(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """The given solver at the right-hand side."""
    lengths = eqn.params["const_lengths"]
    before = lengths.matvec + lengths.vecmat
    consts, rhs = inputs[before : before + lengths.solve], inputs[sum(lengths) :]
    return tracer.closed(eqn.params["jaxprs"].solve, [*consts, *rhs])


@rule("platform_index", kind="call", params=("platforms", "has_default"))
def platform_index(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """Which branch of `platform_dependent` is that of this platform."""
    for k, platforms in enumerate(eqn.params["platforms"]):
        if platforms is None or "cpu" in platforms:
            return [tracer.constant(np.int32(k))]
    raise NotNative("no branch for CPUs")


@rule("pvary", "pcast", kind="identity", params=("axes", "axis_index_groups", "src", "to", "axis_name"))
def pvary(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """Notes of `shard_map` about what varies between devices."""
    return inputs


@rule("reshard", kind="identity", params=("dst_sharding", "concrete_mesh"), note="to every device whole")
def reshard(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """Where an array lies; JAX writes it of numbers as well, where arguments lie on several devices."""
    spec = getattr(eqn.params["dst_sharding"], "spec", None)
    if spec is None or any(part is not None for part in spec):
        raise NotNative("an array is parted between devices")
    return inputs


@rule(
    "sharding_constraint",
    kind="identity",
    params=("sharding", "layout", "context_mesh", "unconstrained_dims"),
    note="of one device",
)
def sharding_constraint(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """How an array is parted between devices, which is nothing where there is one."""
    if getattr(eqn.params["sharding"], "num_devices", None) != 1 or eqn.params.get("layout") is not None:
        raise NotNative("an array is parted between devices")
    return inputs


@rule("jaxbm_program", kind="call", params=("native", "lead"))
def jaxbm_program(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """An accelerated function inside another."""
    native, lead = eqn.params["native"], eqn.params["lead"]
    if not lead:
        return tracer.closed(native.closed, inputs[: len(native.closed.in_avals)])
    return tracer.call(lambda *arrays: native.plain(arrays, lead), *inputs)
