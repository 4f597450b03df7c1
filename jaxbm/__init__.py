"""jaxbm: train MLPs, from one to tens of thousands at once, in pure JAX functions."""

import pathlib

_checkout = pathlib.Path(__file__).parent.parent
if (_checkout / "kernels" / "__init__.py").exists():
    # In the root of a checkout Python finds this folder before the installed package; kernels and benchmarks, which
    # an installation puts inside it, stand beside it there.
    __path__.append(str(_checkout))

from jaxbm import augment, kernels, losses, metrics, shuffle
from jaxbm.batch_ensemble import BatchEnsemble
from jaxbm.inference import evaluate, predict
from jaxbm.members import space
from jaxbm.members.cross_validate import CrossValidation, cross_validate
from jaxbm.members.ensemble import Ensemble
from jaxbm.members.fit_members import fit_members
from jaxbm.members.groups import GroupsResult, fit_groups
from jaxbm.members.progress import MembersInterrupted, MembersProgress
from jaxbm.members.result import MembersResult, NonFiniteMembersWarning
from jaxbm.members.storage import load_members, save_members
from jaxbm.members.sweep import sweep
from jaxbm.members.sweep_result import SweepInterrupted, SweepResult
from jaxbm.mlp import MLP, Dense
from jaxbm.optimizers import adam, adamw, apply_updates, clip_by_global_norm, sgd
from jaxbm.persistence import load, save
from jaxbm.train import FitResult, NonFiniteError, fit

__version__ = "0.1.0"

__all__ = [
    "MLP",
    "BatchEnsemble",
    "CrossValidation",
    "Dense",
    "Ensemble",
    "FitResult",
    "GroupsResult",
    "MembersInterrupted",
    "MembersProgress",
    "MembersResult",
    "NonFiniteError",
    "NonFiniteMembersWarning",
    "SweepInterrupted",
    "SweepResult",
    "adam",
    "adamw",
    "apply_updates",
    "augment",
    "clip_by_global_norm",
    "cross_validate",
    "evaluate",
    "fit",
    "fit_groups",
    "fit_members",
    "kernels",
    "load",
    "load_members",
    "losses",
    "metrics",
    "predict",
    "save",
    "save_members",
    "sgd",
    "shuffle",
    "space",
    "sweep",
]
