"""A step of Adam or AdamW over a whole pytree as one call of the compiled CPU kernel.

XLA reads and writes the parameters and both moments in several passes; the kernel makes one, at the speed of the
machine's memory, in place where the buffers are donated.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from jaxbm.kernels.allow import unknown_fields
from jaxbm.kernels.calls import kernel_call
from jaxbm.kernels.choice import by_kernel, off
from jaxbm.kernels.mlp.settings import KNOWN_OPTIMIZERS
from jaxbm.optimizers import Adam, AdamState, apply_updates, next_count

PyTree = Any


def unsupported(optimizer: Any, *trees: PyTree) -> str | None:
    """Why the kernel can't make this step; None where it can. `trees`: gradients, moments and parameters."""
    if (reason := off()) is not None:
        return reason
    if type(optimizer) is not Adam:
        return f"the kernel knows jaxbm's own adam and adamw only, not {type(optimizer).__name__}"
    if (reason := unknown_fields(optimizer, KNOWN_OPTIMIZERS[Adam])) is not None:
        return reason
    if optimizer.mu_dtype not in (None, jnp.dtype("float32")):
        return "the kernel keeps mu in float32"
    if any(jnp.result_type(leaf) != jnp.float32 for leaf in jax.tree.leaves(trees)):
        return "the kernel computes in float32"
    return None


def adam_update(
    optimizer: Adam, grads: PyTree, state: AdamState, params: PyTree, *, implementation: str | None = None
) -> tuple[PyTree, AdamState]:
    """`optimizer.update` and `apply_updates` in one: the parameters and the state after a step.

    Works under `jit`, `vmap`, `scan` and `grad`. Nothing is copied where parameters and state are carried through a
    scan, or donated to a jitted function that takes and returns them in one order (JAX pairs donated buffers with
    results of the same shape by their order).

    Args:
      optimizer: from `jaxbm.adam` or `jaxbm.adamw`.
      grads, params: pytrees of one structure.
      state: as `optimizer.init(params)` makes it.
      implementation: None for the kernel where it can, else plain JAX; "cpu" or "xla" for one of them.

    Returns:
      `(params, state)`.

    Raises:
      ValueError: `implementation` is neither.
      NotImplementedError: `implementation="cpu"`, and the kernel can't; says why.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> optimizer, params = jaxbm.adam(0.1), {"w": jnp.ones(3)}
      >>> params, state = jaxbm.kernels.adam_update(optimizer, {"w": jnp.ones(3)}, optimizer.init(params), params)
      >>> [round(w, 4) for w in params["w"].tolist()], int(state.count)
      ([0.9, 0.9, 0.9], 1)

    Source: Kingma and Ba, "Adam: A Method for Stochastic Optimization" (2015), algorithm 1.
    """
    chosen = by_kernel(implementation, lambda: unsupported(optimizer, grads, state[1:], params))
    return (_fused if chosen else _plain)(optimizer, grads, state, params)


def _plain(optimizer: Adam, grads: PyTree, state: AdamState, params: PyTree) -> tuple[PyTree, AdamState]:
    updates, state = optimizer.update(grads, state, params)
    return apply_updates(params, updates), state


@jax.custom_jvp
def _fused(optimizer: Adam, grads: PyTree, state: AdamState, params: PyTree) -> tuple[PyTree, AdamState]:
    # Lowered for another platform, the call would name a kernel that does not exist there.
    return lax.platform_dependent(optimizer, grads, state, params, cpu=_native, default=_plain)


@_fused.defjvp
def _fused_jvp(primals: Any, tangents: Any) -> Any:
    return jax.jvp(_plain, primals, tangents)


def _native(optimizer: Adam, grads: PyTree, state: AdamState, params: PyTree) -> tuple[PyTree, AdamState]:
    rate = optimizer.learning_rate
    rate = rate(state.count) if callable(rate) else rate
    values = [optimizer.b1, optimizer.b2, optimizer.eps, optimizer.eps_root, optimizer.weight_decay, rate]
    numbers = jnp.stack([jnp.asarray(0 if value is None else value, jnp.float32) for value in values])
    leaves, tree = jax.tree.flatten(params)
    arguments: list[Array] = [state.count, numbers]
    for leaf in zip(*(jax.tree.leaves(part) for part in (grads, params, state.mu, state.nu)), strict=True):
        arguments += [array.reshape(-1) for array in leaf]
    places = tuple(i for i in range(2, len(arguments)) if (i - 2) % 4)
    out = kernel_call("jaxbm_adam", (("nesterov", int(optimizer.nesterov)),), places)(*arguments)
    parts = [
        jax.tree.unflatten(tree, [flat.reshape(leaf.shape) for flat, leaf in zip(out[i::3], leaves, strict=True)])
        for i in range(3)
    ]
    return parts[0], AdamState(next_count(state.count), parts[1], parts[2])
