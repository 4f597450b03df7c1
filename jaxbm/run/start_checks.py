"""Checks of what a run starts from, where its user gives it: parameters and the optimizer's state."""

from typing import Any

import jax

from jaxbm.models.protocol import Model, Params, check_tree, shapes_of


def start(model: Model, optimizer: Any, params: Params | None, opt_state: Any) -> None:
    """ValueError where given parameters are not the model's, or a given state is not the optimizer's.

    Args:
      model, optimizer: what is trained, and how.
      params, opt_state: one run's, without axes of members; None for what isn't given.
    """
    if params is not None:
        model.check_params(params)
    if opt_state is not None:
        like = params if params is not None else shapes_of(model)
        check_tree("opt_state", opt_state, jax.eval_shape(optimizer.init, like), type(optimizer).__name__)
