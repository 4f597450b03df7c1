"""From trials to members: which trials can share a compiled program, and what each member is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxbm import optimizers
from jaxbm.core.keys import member_keys
from jaxbm.core.names import unknown
from jaxbm.members.fit_members import Setup, prepare
from jaxbm.models.protocol import Model
from jaxbm.run.options import NUMBERS, SEARCHED, STATICS
from jaxbm.run.training import Training
from jaxbm.studies.folds import Fold

ARCHITECTURE = ("hidden", "activation", "weight_init")
MEMBERS_PER_BLOCK = 512
BYTES_PER_BLOCK = 2**29
"""Parameters, two moments and best parameters of a block's members take at most that, unless one trial takes more."""

Optimizer = str | optimizers.Maker


@dataclass(frozen=True)
class Plan:
    """Everything about a sweep apart from the data."""

    model: Model
    trials: tuple[dict[str, Any], ...]
    folds: tuple[Fold, ...] | None
    seeds: int
    optimizer: Optimizer
    training: Training
    """what all members share"""

    @property
    def members_per_trial(self) -> int:
        """Folds times seeds."""
        return self.seeds * (1 if self.folds is None else len(self.folds))

    def model_of(self, trial: dict[str, Any]) -> Model:
        """The trial's architecture."""
        return self.model.variant(**{name: trial[name] for name in ARCHITECTURE if name in trial})

    @cached_property
    def models(self) -> tuple[Model, ...]:
        """Each trial's architecture; equal ones are one object."""
        known: dict[str, Model] = {}

        def model(trial: dict[str, Any]) -> Model:
            name = repr([trial.get(name) for name in ARCHITECTURE])
            if name not in known:
                known[name] = self.model_of(trial)
            return known[name]

        return tuple(model(trial) for trial in self.trials)

    def optimizer_of(self, values: dict[str, Any]) -> Any:
        """The optimizer with these hyper-parameters."""
        return optimizers.optimizer(self.optimizer)(**values)

    def blocks(self) -> list[list[int]]:
        """Trials that share a compiled program, in blocks of bounded size."""
        groups: dict[Any, list[int]] = {}
        for i, (trial, model) in enumerate(zip(self.trials, self.models, strict=True)):
            statics = tuple(trial.get(name) for name in STATICS)
            groups.setdefault((model.program, statics), []).append(i)
        blocks = []
        for indices in groups.values():
            largest = max(self.models[i].n_params for i in indices)
            members = max(1, min(MEMBERS_PER_BLOCK, BYTES_PER_BLOCK // (16 * largest)))
            size = max(1, members // self.members_per_trial)
            blocks += [indices[at : at + size] for at in range(0, len(indices), size)]
        return blocks

    def setup(self, key: Array, x: Any, y: Any, block: Sequence[int]) -> Setup:
        """The members of a block: trial by trial, within it seed by seed, within it fold by fold."""
        each, folds = self.members_per_trial, 1 if self.folds is None else len(self.folds)
        trials = [self.trials[i] for i in block]
        own: dict[str, Any] = {}
        for name in (name for name in SEARCHED if name in trials[0]):
            is_number = name in NUMBERS
            own[name] = np.repeat([trial[name] for trial in trials], each) if is_number else trials[0][name]
        hyper = {
            name: [trial[name] for trial in trials]
            for name in optimizers.numbers_of(self.optimizer)
            if name in trials[0]
        }
        numbers = {name: jnp.asarray(np.repeat(values, each), jnp.float32) for name, values in hyper.items()}
        if self.folds is not None:
            own["rows"] = [self.folds[k % folds][0] for k in range(each * len(trials))]
            own["validation_rows"] = [self.folds[k % folds][1] for k in range(each * len(trials))]
        models = [self.models[i] for i in block for _ in range(each)]
        training = replace(self.training, optimizer=self.optimizer_of(numbers), **own)
        keys = jnp.tile(self.keys(key), len(trials))
        return prepare(keys, models if len(set(models)) > 1 else models[0], x, y, training)

    def keys(self, key: Array) -> Array:
        """`[members per trial]`: the same for every trial, so that trials differ by their hyper-parameters alone."""
        return member_keys(_typed(key), self.members_per_trial)


def _typed(key: Array) -> Array:
    is_typed = jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
    return key if is_typed else jax.random.wrap_key_data(key)


def check_names(trial: dict[str, Any], optimizer: Optimizer) -> None:
    """ValueError for a hyper-parameter that nothing takes; TypeError for numbers of an optimizer that hides them."""
    known = (*SEARCHED, *ARCHITECTURE, *optimizers.numbers_of(optimizer))
    for name in trial:
        if name not in known:
            raise unknown("space", name, known)
    numbers = {name: trial[name] for name in optimizers.numbers_of(optimizer) if name in trial}
    if numbers and not optimizers.is_data(optimizers.optimizer(optimizer)(**numbers)):
        raise TypeError(
            "optimizer: expected one whose numbers are data, such as 'adam' or jaxbm.adam, to search "
            f"{', '.join(numbers)}, got {getattr(optimizer, '__qualname__', optimizer)}, which makes functions"
        )
