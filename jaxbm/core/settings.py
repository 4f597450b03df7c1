"""What surrounds a call asks of our code: guarded transfers, NaN watched for, a mesh, and whose line is warned of."""

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import NamedSharding, PartitionSpec, SingleDeviceSharding

P = ParamSpec("P")
T = TypeVar("T")
_GUARDS = [f"jax_transfer_guard_{way}" for way in ("host_to_device", "device_to_host", "device_to_device")]


def on_purpose(function: Callable[P, T]) -> Callable[P, T]:
    """The function, inside of which nothing is an accident that `jax.transfer_guard` is there to find.

    What such a function moves between host and device (a number of its own, rows that its user has on the host, a
    result that is looked at) it moves knowingly.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from jaxbm.core.settings import on_purpose
      >>> with jax.transfer_guard("disallow"):
      ...     on_purpose(lambda: jnp.zeros(2))().tolist()
      [0.0, 0.0]
    """

    @wraps(function)
    def moved(*args: P.args, **kwargs: P.kwargs) -> T:
        if not any(getattr(jax.config, guard) for guard in _GUARDS):  # a context costs as much as a small network
            return function(*args, **kwargs)
        with jax.transfer_guard("allow"):
            return function(*args, **kwargs)

    return moved


def promotes(function: Callable[P, T]) -> Callable[P, T]:
    """`on_purpose`, and the function's own arrays of different ranks and types meet on purpose, too.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from jaxbm.core.settings import promotes
      >>> with jax.numpy_rank_promotion("raise"):
      ...     promotes(lambda: jnp.ones((2, 1)) * jnp.ones(1))().shape
      (2, 1)
    """

    @wraps(function)
    def at_ease(*args: P.args, **kwargs: P.kwargs) -> T:
        settings: Any = jax.config
        if settings.jax_numpy_rank_promotion == "allow" and settings.jax_numpy_dtype_promotion == "standard":
            return function(*args, **kwargs)
        with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
            return function(*args, **kwargs)

    return on_purpose(at_ease)


def non_finite_is_told(function: Callable[P, T]) -> Callable[P, T]:
    """`on_purpose`, and the function watches for NaN and infinity itself, and says more about them than
    `jax.debug_nans` and `jax.debug_infs` could: in its arrays NaN also stands for what never happened."""

    @wraps(function)
    def watched(*args: P.args, **kwargs: P.kwargs) -> T:
        settings: Any = jax.config
        if not (settings.jax_debug_nans or settings.jax_debug_infs):
            return function(*args, **kwargs)
        with jax.debug_nans(False), jax.debug_infs(False):
            return function(*args, **kwargs)

    return on_purpose(watched)


def callers_level() -> int:
    """For `warnings.warn`: the `stacklevel` of the line outside of this package that called, whatever decorates."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "jaxbm":
        level, frame = level + 1, frame.f_back
    return level


def varying_as(tree: T, *like: Any) -> T:
    """`tree`, every array of which varies over the mesh axes over which any array of `like` does.

    Inside `jax.shard_map` a loop's state has to say from the start over which axes it will differ. Elsewhere, and
    where nothing differs, the tree as it is.
    """
    axes = frozenset[Any]().union(*(_axes(leaf) for leaf in jax.tree.leaves(like)))
    return jax.tree.map(lambda leaf: _varying(leaf, axes - _axes(leaf)), tree) if axes else tree


def whole_on_each(tree: T) -> T:
    """`tree`, arrays of which that are explicitly sharded are on every device whole: rows are visited in any order.

    Arrays of meshes without explicit axes are as they were, their layout being the compiler's affair.
    """
    return jax.tree.map(lambda leaf: _whole(leaf) if _is_parted(leaf) else leaf, tree)


def _whole(leaf: Any) -> Any:
    """On every device of its own mesh, which need not be the one that is set."""
    return jax.sharding.reshard(leaf, NamedSharding(jax.typeof(leaf).sharding.mesh, PartitionSpec()))


def _is_parted(leaf: Any) -> bool:
    if not isinstance(leaf, jax.Array) or type(getattr(leaf, "sharding", None)) is SingleDeviceSharding:
        return False  # most arrays, of which JAX is asked dozens of times in every call of `fit`
    spec: Any = getattr(getattr(jax.typeof(leaf), "sharding", None), "spec", ())
    return any(part is not None for part in spec)


def array_type(shape: tuple[int, ...], dtype: Any, weak_type: bool, varying: frozenset[Any]) -> Any:
    """The type of a primitive's result that varies over these axes of the mesh that is set."""
    kind: Any = jax.core.ShapedArray
    if not varying:
        return kind(shape, jnp.dtype(dtype), weak_type)
    if not hasattr(kind, "manual_axis_type"):  # before JAX 0.12
        return kind(shape, jnp.dtype(dtype), weak_type, vma=varying)
    whole = NamedSharding(jax.sharding.get_abstract_mesh(), PartitionSpec(*[None] * len(shape)))
    manual = jax.sharding.ManualAxisType(varying=varying)
    return kind(shape, jnp.dtype(dtype), weak_type, sharding=whole, manual_axis_type=manual)


def _axes(leaf: Any) -> frozenset[Any]:
    return varying_axes(jax.typeof(leaf))


def varying_axes(kind: Any) -> frozenset[Any]:
    """Over which axes of a mesh an array of this type varies."""
    return kind.manual_axis_type.varying if hasattr(kind, "manual_axis_type") else getattr(kind, "vma", frozenset())


def _varying(leaf: Any, missing: frozenset[Any]) -> Any:
    return lax.pcast(leaf, tuple(sorted(missing, key=str)), to="varying") if missing else leaf
