"""Gradient descent and Adam, written by hand, in Optax's protocol.

An optimizer is data: a registered dataclass whose hyper-parameters are pytree leaves. So a sweep over learning
rates is a `vmap` over the optimizer itself, and a new learning rate never compiles anew. A learning rate may also
be a schedule, a function of the step count. A plain function is static, so another one compiles anew; a schedule
that is a pytree, such as `jax.tree_util.Partial(cosine, peak)`, is data: its leaves are leaves of the optimizer, and
a sweep may `vmap` over them. Where Optax expects a `GradientTransformation`
(`optax.chain`, `optax.MultiSteps`), an optimizer of ours works: it has `init` and `update`, and unpacks into them.
"""

from typing import TYPE_CHECKING

from jaxbm.core.lazy import attached
from jaxbm.optimizers.clipping import ClipByGlobalNorm, clip_by_global_norm
from jaxbm.optimizers.descent import Sgd, SgdState, sgd
from jaxbm.optimizers.interchange import from_optax, to_optax
from jaxbm.optimizers.moments import Adam, AdamState, adam, adamw, bias_correction
from jaxbm.optimizers.protocol import PyTree, Rate, apply_updates, next_count
from jaxbm.optimizers.table import OPTIMIZERS, STATIC, Maker, is_data, numbers_of, optimizer

if not TYPE_CHECKING:  # its modules, imported when asked for
    __getattr__, __dir__ = attached(__name__)

__all__ = [
    "OPTIMIZERS",
    "STATIC",
    "Adam",
    "AdamState",
    "ClipByGlobalNorm",
    "Maker",
    "PyTree",
    "Rate",
    "Sgd",
    "SgdState",
    "adam",
    "adamw",
    "apply_updates",
    "bias_correction",
    "clip_by_global_norm",
    "from_optax",
    "is_data",
    "next_count",
    "numbers_of",
    "optimizer",
    "sgd",
    "to_optax",
]
