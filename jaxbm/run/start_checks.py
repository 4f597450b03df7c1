"""Checks of what a run starts from, where its user gives it, and of what an optimizer makes of that in a step."""

from typing import Any

import jax

from jaxbm.models.protocol import Model, Params, check_tree, path_name, shape_of, shapes_of


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


def step(params: Params, updates: Any, opt_state: Any, new_state: Any) -> None:
    """ValueError where an optimizer's step can't be repeated: a loop carries what has one structure throughout.

    Args:
      params, opt_state: before the step.
      updates, new_state: what the optimizer's `update` gave; one number may stand for all of a parameter's.
    """
    _alike("updates like the parameters", updates, params, may_spread=True)
    _alike("a state after each step like that of its `init`", new_state, opt_state)


def _alike(expected: str, tree: Any, like: Any, *, may_spread: bool = False) -> None:
    got, want = ({path_name(p): shape_of(x) for p, x in jax.tree.leaves_with_path(one)} for one in (tree, like))
    for place, shape in got.items():
        if place not in want:
            raise ValueError(f"optimizer: expected {expected}, got {place or 'a leaf'} besides")
        if shape != want[place] and not (may_spread and shape == ()):
            told = f"shape {list(shape)} for {place or 'it'}, not {list(want[place])}"
            raise ValueError(f"optimizer: expected {expected}, got {told}")
    if lost := [place for place in want if place not in got]:
        raise ValueError(f"optimizer: expected {expected}, got none for {lost[0] or 'it'}")
    made: Any = jax.tree.structure(tree)
    if made != jax.tree.structure(like):
        raise ValueError(f"optimizer: expected {expected}, got a {type(tree).__name__}, not a {type(like).__name__}")
