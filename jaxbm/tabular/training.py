"""From a plan to a fitted model: one call trains every member, each validated on its own fold."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxbm.core.keys import seed_key
from jaxbm.members.ensemble import Ensemble
from jaxbm.members.fit_members import fit_members
from jaxbm.members.progress import Report
from jaxbm.models.mlp import MLP
from jaxbm.models.protocol import Model
from jaxbm.optimizers import optimizer
from jaxbm.privacy import entropy_key
from jaxbm.tabular.fitted import Fitted
from jaxbm.tabular.measuring import measure_outputs
from jaxbm.tabular.search import search
from jaxbm.tabular.unseen import mean_unseen
from jaxbm.training.fit import fit

if TYPE_CHECKING:
    from jaxbm.members.result import MembersResult
    from jaxbm.tabular.plan import Plan


def train(plan: Plan, *, folder: str | os.PathLike[str] | None = None, progress: bool | Report = False) -> Fitted:
    """Train what the plan says.

    Args:
      plan: made by `jaxbm.tabular.plan`.
      folder: of an ensemble, where its state is kept in training, as for `jaxbm.fit_members`.
      progress: as for `jaxbm.fit_members`; of one network a bar or nothing.

    Raises:
      ValueError, TypeError, MembersInterrupted, NonFiniteError: as for `jaxbm.fit` and `jaxbm.fit_members`.
    """
    recipe, (x, y, _, folds) = plan.recipe, plan.visited
    if recipe.time is not None:
        found = search(plan, folder=folder, progress=progress)
        logits = _logits(found.plan, found.unseen)
        fitted = _fitted(found.plan, found.ensemble.model, found.result, found.ensemble, logits)
        fitted.metadata["chosen"] = found.chosen
        return fitted
    model = MLP(
        (x.shape[1], *recipe.hidden, plan.preparation.n_outputs), recipe.activation, weight_init=recipe.weight_init
    )
    options: dict[str, Any] = {
        "loss": plan.loss, "optimizer": optimizer(recipe.optimizer)(recipe.learning_rate), **recipe.training,
        **plan.weighting, "validation_data": plan.validation_data,
    }  # fmt: skip
    key = seed_key(plan.seed) if recipe.training.get("privacy") is None else entropy_key()
    if not plan.is_ensemble:
        result = fit(key, model, x, y, progress=bool(progress), **options)
        return _fitted(plan, model, result, None, None)
    if plan.folds is not None:
        options |= {"rows": [train for train, _ in folds], "validation_rows": [held for _, held in folds]}
    members = fit_members(key, model, x, y, members=recipe.members, folder=folder, progress=progress, **options)
    ensemble = replace(Ensemble.of(members), bounds=plan.bounds, meaning=plan.preparation.meaning)
    unseen = None if plan.folds is None else out_of_fold(plan, members)
    return _fitted(plan, model, members, ensemble, unseen)


def out_of_fold(plan: Plan, result: MembersResult) -> np.ndarray:
    """float64 `[n, out]`: logits of each row by the mean of the members that were not trained on it; NaN where there
    is none.

    Args:
      plan: whose folds the members have.
      result: of their training; members that did not stay finite don't count.
    """
    return _logits(plan, mean_unseen(plan, result))


def _logits(plan: Plan, mean: np.ndarray) -> np.ndarray:
    """Outputs of the members' mean probabilities; of a quantity those of its mean, within their bounds."""
    found = plan.preparation.outputs_of(mean)
    return found if plan.bounds is None else np.clip(found, *plan.bounds)


def _fitted(plan: Plan, model: Model, result: Any, ensemble: Ensemble | None, unseen: np.ndarray | None) -> Fitted:
    metrics = {}
    if unseen is not None:
        known = ~np.isnan(unseen).any(axis=1)
        metrics["out of fold"] = measure_outputs(
            model, unseen[known], plan.preparation, plan.loss, plan.training[1][known]
        )
    metadata = {
        "loss": plan.loss, "preset": plan.recipe.name, "recipe": plan.recipe.told, "metrics": metrics,
        "epochs_run": int(np.max(np.asarray(result.epochs_run))), "seed": plan.seed,
    }  # fmt: skip
    if result.privacy is not None:
        metadata["privacy"] = result.privacy.described()
    return Fitted(
        model=model if ensemble is None else ensemble.model,
        params=result.params if ensemble is None else ensemble.params,
        ensemble=ensemble,
        preparation=plan.preparation,
        metadata=metadata,
        plan=plan,
        result=result,
        out_of_fold=unseen,
    )
