"""A search's rounds: many candidates on all folds in one call, and what is kept of them."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np

from jaxbm.core import files, paths
from jaxbm.core.fingerprint import fingerprint
from jaxbm.core.keys import seed_key
from jaxbm.members.checkpoint import check_folder, load_tree, save_tree
from jaxbm.members.fit_members import fit_members
from jaxbm.models.mlp import MLP
from jaxbm.optimizers import adamw, optimizer
from jaxbm.tabular.candidates import Candidate
from jaxbm.tabular.unseen import held_out_logits, mean_unseen

if TYPE_CHECKING:
    from jaxbm.members.result import MembersResult
    from jaxbm.tabular.plan import Plan

ABOUT = "search.json"


class Trained(NamedTuple):
    """A round's members: candidate after candidate, each on every fold."""

    params: Any
    """`[candidates * folds, ...]`, padded to the round's widest layers"""
    loss: Any
    """"loss" and "val_loss", `[candidates * folds, epochs]`"""
    val_loss: Any
    best_epoch: Any
    epochs_run: Any
    finite: Any
    unseen: Any
    """float32 `[candidates, n, k]`: probabilities or moments of each row by the member that was not trained on it"""


@dataclass(frozen=True)
class Round:
    """One round, finished."""

    candidates: list[Candidate]
    model: MLP
    """the architecture of the parameters"""
    trained: Trained
    seconds: float

    @property
    def depth(self) -> int:
        """Hidden layers."""
        return len(self.candidates[0].hidden)


def model_of(plan: Plan, hidden: tuple[int, ...]) -> MLP:
    """A network for the plan's table."""
    sizes = (plan.training[0].shape[1], *hidden, plan.preparation.n_outputs)
    return MLP(sizes, plan.recipe.activation, weight_init=plan.recipe.weight_init)


def train_first(plan: Plan) -> Trained:
    """Train the accurate preset's own ensemble, to the last bit: what is searched for can't be worse out of fold."""
    recipe, (x, y, _, folds) = plan.recipe, plan.visited
    result = fit_members(
        seed_key(plan.seed), model_of(plan, recipe.hidden), x, y,
        members=len(folds), loss=plan.loss, optimizer=optimizer(recipe.optimizer)(recipe.learning_rate),
        rows=[train for train, _ in folds], validation_rows=[held for _, held in folds],
        **recipe.training, **plan.weighting,
    )  # fmt: skip
    return _trained(result, mean_unseen(plan, result).astype(np.float32)[None])


def _trained(result: MembersResult, unseen: np.ndarray) -> Trained:
    history = result.history
    trained = Trained(
        result.params, history["loss"], history["val_loss"], result.best_epoch, result.epochs_run, result.finite,
        unseen,
    )  # fmt: skip
    return jax.tree.map(np.asarray, trained)


def train_round(plan: Plan, number: int, candidates: list[Candidate]) -> Trained:
    """Train every candidate on every fold, in one call."""
    assert plan.folds is not None
    (x, y, _, folds), count = plan.visited, len(candidates)
    folds = folds[: plan.once]
    every = [one for one in candidates for _ in folds]

    def own(name: str) -> np.ndarray:
        return np.asarray([getattr(one, name) for one in every], np.float32)

    models = [model_of(plan, one.hidden) for one in every]
    result = fit_members(
        jax.random.fold_in(seed_key(plan.seed), number),
        models,
        x,
        y,
        members=len(every),
        loss=plan.loss,
        rows=[train for train, _ in folds] * count,
        validation_rows=[held for _, held in folds] * count,
        optimizer=adamw(own("learning_rate"), weight_decay=own("weight_decay")),
        **plan.weighting,
        **{**plan.recipe.training, "dropout": own("dropout")},
    )
    return _trained(result, _unseen(plan, result, count))


def _unseen(plan: Plan, result: MembersResult, count: int) -> np.ndarray:
    """float32 `[candidates, n, k]`: probabilities or moments of each row by the member that was not trained on it."""
    assert plan.folds is not None
    visited, once = plan.visited, plan.once
    out = np.empty((count, len(plan.training[0]), plan.preparation.n_averaged), np.float32)
    found = held_out_logits(result, visited.x, [held for _, held in visited.folds[:once]] * count)
    for k, ((_, held), logits) in enumerate(zip(plan.folds[:once] * count, found, strict=True)):
        out[k // once, held] = plan.preparation.averaged(logits)
    return out


def _name(number: int, count: int | str) -> str:
    return f"round-{number}-{count}.npz"


class Store:
    """The folder of one search; without a folder it keeps nothing.

    Args:
      folder: made where it doesn't exist; None keeps nothing.
      plan: what is searched for; a folder of another one is an error.

    Raises:
      ValueError: the folder holds another search, or something else.
    """

    def __init__(self, folder: str | os.PathLike[str] | None, plan: Plan):
        self.folder, self.plan = None if folder is None else paths.folder_path(folder), plan
        if self.folder is None:
            return
        recipe = plan.recipe
        found = fingerprint(
            *plan.visited[:2], plan.seed, plan.loss, recipe.activation, recipe.weight_init, dict(recipe.training),
            list(recipe.hidden), recipe.learning_rate,
            [list(fold) for fold in plan.folds or []], plan.weighting,
        )  # fmt: skip
        about = self.folder / ABOUT
        if about.is_file():
            if json.loads(about.read_text()).get("fingerprint") != found:
                raise ValueError(
                    f"folder: {self.folder} holds a search of other data or options; go on with the ones it was "
                    "started with, choose another folder, or remove it"
                )
            return
        check_folder(self.folder, (ABOUT,), "a search")
        self.folder.mkdir(parents=True, exist_ok=True)
        files.replace(about, json.dumps({"format": "jaxbm search", "fingerprint": found}).encode())

    def count(self, number: int) -> int:
        """How many candidates a finished round has; 0 where it is not finished."""
        found = [] if self.folder is None else self.folder.glob(_name(number, "*"))
        return max((int(path.stem.split("-")[2]) for path in found), default=0)

    def load(self, number: int, candidates: list[Candidate]) -> tuple[Trained, float] | None:
        """A finished round and its seconds; None where it is not finished."""
        path = None if self.folder is None else self.folder / _name(number, len(candidates))
        if path is None or not path.is_file():
            return None
        tree, more = load_tree(path, self._like(number, candidates))
        return jax.tree.map(np.asarray, tree), float(more["seconds"])

    def save(self, number: int, trained: Trained, seconds: float) -> None:
        """Keep a finished round."""
        if self.folder is not None:
            save_tree(self.folder / _name(number, len(trained.unseen)), trained, seconds=seconds)

    def _like(self, number: int, candidates: list[Candidate]) -> Trained:
        plan = self.plan
        members = len(candidates) * plan.once if number else len(plan.folds or [])
        model = model_of(plan, candidates[0].hidden).padded([model_of(plan, one.hidden) for one in candidates])
        params = jax.eval_shape(jax.vmap(model.init), jax.random.split(jax.random.key(0), members))
        classes = 1 if plan.task == "regression" else max(2, plan.preparation.n_outputs)

        def shape(dtype: Any, *sizes: int) -> Any:
            return jax.ShapeDtypeStruct(sizes, dtype)

        epochs = plan.recipe.training["epochs"]
        losses, counts = shape(np.float32, members, epochs), shape(np.int32, members)
        unseen = shape(np.float32, len(candidates), len(plan.training[0]), classes)
        return Trained(params, losses, losses, counts, counts, shape(np.bool_, members), unseen)
