"""A run's settings as the hand-written kernels read them: numbers, words of keys, labels; and which they refuse."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jaxbm import losses
from jaxbm.core.counter import Words
from jaxbm.kernels.allow import unknown_fields
from jaxbm.models.activations import title
from jaxbm.models.mlp import MLP
from jaxbm.optimizers import Adam, Sgd
from jaxbm.run.contract import Hyper, Loss, Run, Task

KNOWN_MLP = ("sizes", "activation", "output_activation", "use_bias", "weight_init", "param_dtype", "dtype")
KNOWN_OPTIMIZERS = {
    Adam: ("learning_rate", "b1", "b2", "eps", "eps_root", "weight_decay", "nesterov", "mu_dtype"),
    Sgd: ("learning_rate", "momentum", "nesterov", "accumulator_dtype"),
}


def network_unsupported(model: Any, most_layers: int, is_known: Callable[[str], bool]) -> str | None:
    """Why a kernel doesn't compute a network; None where it does. `is_known` says whether it has an activation."""
    if type(model) is not MLP:  # what one derived from it changes is not known
        return f"the kernel knows jaxbm.MLP only, not {type(model).__name__}"
    if (reason := unknown_fields(model, KNOWN_MLP)) is not None:
        return reason
    if len(model.sizes) - 1 > most_layers:
        return f"the kernel takes at most {most_layers} layers"
    if unknown := [name for name in model.activations if not isinstance(name, str) or not is_known(name)]:
        return f"the kernel does not know the activation {title(unknown[0])!r}"
    if model.output_activation != "identity":
        return f"the kernel gives logits, not output_activation={title(model.output_activation)!r}"
    if model.param_dtype != "float32" or model.dtype not in (None, "float32"):
        return "the kernel computes in float32"
    return None


def run_unsupported(run: Run, knows_loss: bool) -> str | None:
    """Why the kernels don't train with a run's loss, optimizer or types; None where they do."""
    task = run.task
    if not knows_loss:
        return f"the kernel does not know the loss {getattr(task.loss, '__name__', task.loss)!r}"
    if task.augment is not None:
        return "the kernel does not augment"
    if (reason := optimizer_unsupported(run)) is not None:
        return reason
    if any(jnp.result_type(a) != jnp.float32 for a in jax.tree.leaves((run.data.x, run.data.x_val, run.params))):
        return "the kernel computes in float32"
    return None


def optimizer_unsupported(run: Run) -> str | None:
    """Why the kernels don't know a run's optimizer; None where they do."""
    optimizer: Any = run.hyper.optimizer
    if run.task.optimizer is not None or type(optimizer) not in KNOWN_OPTIMIZERS:
        return "the kernel knows jaxbm's own sgd, adam and adamw only"
    if (reason := unknown_fields(optimizer, KNOWN_OPTIMIZERS[type(optimizer)])) is not None:
        return reason
    if isinstance(optimizer, Adam) and optimizer.mu_dtype not in (None, jnp.dtype("float32")):
        return "the kernel keeps mu in float32"
    if isinstance(optimizer, Sgd) and optimizer.accumulator_dtype not in (None, jnp.dtype("float32")):
        return "the kernel keeps the accumulated gradient in float32"
    scheduled = callable(optimizer.learning_rate)  # then its leaves, of any shape, are the schedule's own business
    numbers = replace(optimizer, learning_rate=0.0) if scheduled else optimizer
    if any(jnp.shape(leaf) for leaf in jax.tree.leaves(numbers)):
        return "the kernel takes one number for each hyper-parameter of the optimizer"
    return None


def loss_numbers(loss: Loss) -> dict[str, float]:
    """A loss's hyper-parameters that are numbers."""
    found = losses.known(loss)
    return {} if found is None else {name: found.numbers[name] for name in found.entry.numbers}


def loss_name(loss: Loss) -> str | None:
    """What the kernels may know a loss by; None for a function of one's own, and where a hyper-parameter that is no
    number, which they can't be told, isn't at its default."""
    found = losses.known(loss)
    if found is None or found.numbers != found.entry.defaults | loss_numbers(loss):
        return None
    return found.entry.name


def labels_of(task: Task, y: Array) -> Array:
    """Labels as numbers of four bytes: integers of classes, else float32."""
    return y.astype(label_dtype(task))


def label_dtype(task: Task) -> Any:
    """Of labels as the kernels read them."""
    return jnp.dtype(jnp.int32 if losses.kind_of(task.loss) == "class" else jnp.float32)


def numbers_of(loss: Loss, optimizer: Any, hyper: Hyper) -> Array:
    """float32 `[11]` of what `number_values` gives."""
    return jnp.stack([jnp.asarray(value, jnp.float32) for value in number_values(loss, optimizer, hyper)])


def number_values(loss: Loss, optimizer: Any, hyper: Hyper) -> list[Any]:
    """Absent ones zero: b1, b2, eps, eps_root, weight_decay, momentum, l2, clip_norm, 1 / (1 - dropout), min_delta,
    the loss's own."""
    names = ("b1", "b2", "eps", "eps_root", "weight_decay", "momentum")
    keep_scale = None if hyper.dropout is None else 1 / (1 - hyper.dropout)
    own = [*loss_numbers(loss).values()]
    values = [getattr(optimizer, name, None) for name in names]
    values += [hyper.l2, hyper.clip_norm, keep_scale, hyper.min_delta, own[0] if own else None]
    return [0 if value is None else value for value in values]


def rates_of(optimizer: Any, count: Array, steps: int) -> Array:
    """float32 `[steps]`: a schedule's rates from step `count` on; `[1]` where the rate is one number."""
    rate = optimizer.learning_rate
    if not callable(rate):
        return jnp.asarray(rate, jnp.float32)[None]
    counts = count + lax.iota(jnp.int32, steps)
    return jax.vmap(lambda c: jnp.asarray(rate(c), jnp.float32))(counts)


def words_of(words: Words, dropout: Array | None) -> Array:
    """uint32 `[3]`: the key's words, and the number below which bits drop a unit."""
    below = jnp.uint32(0) if dropout is None else drop_below(dropout)
    return jnp.stack([*words, below])


def drop_below(dropout: Any) -> Any:
    """uint32: the number below which bits drop a unit, of the probability float32."""
    return (dropout * np.float32(2**32)).astype(jnp.uint32)
