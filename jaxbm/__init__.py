"""jaxbm: train MLPs, from one to tens of thousands at once, in pure JAX functions."""

from typing import TYPE_CHECKING

from jaxbm.core import checkout, lazy

checkout.install()

if TYPE_CHECKING:
    from jaxbm import augment, kernels, losses, metrics, report, shuffle, table, tabular, understand
    from jaxbm.kernels.program.accelerate import accelerate
    from jaxbm.kernels.program.explain import explain
    from jaxbm.members.ensemble import Ensemble
    from jaxbm.members.fit_members import fit_members
    from jaxbm.members.progress import MembersInterrupted, MembersProgress
    from jaxbm.members.result import MembersResult, NonFiniteMembersWarning
    from jaxbm.models.batch_ensemble import BatchEnsemble
    from jaxbm.models.functions import FunctionModel
    from jaxbm.models.mlp import MLP, Dense
    from jaxbm.models.protocol import Model
    from jaxbm.optimizers import adam, adamw, apply_updates, clip_by_global_norm, sgd
    from jaxbm.privacy import DPSGD
    from jaxbm.saved.many_models import load_members, save_members
    from jaxbm.saved.one_model import load, save
    from jaxbm.studies import space
    from jaxbm.studies.cross_validate import CrossValidation, cross_validate
    from jaxbm.studies.fit_groups import GroupsResult, fit_groups
    from jaxbm.studies.sweep import sweep
    from jaxbm.studies.sweep_result import SweepInterrupted, SweepResult
    from jaxbm.training.fit import FitResult, NonFiniteError, fit
    from jaxbm.training.predict import evaluate, predict
else:  # imported when asked for; a type checker would take this for a package that has every name
    __getattr__, __dir__ = lazy.attached(
        __name__,
        {
            "jaxbm.kernels.program": ("accelerate", "explain"),
            "jaxbm.members.ensemble": "Ensemble",
            "jaxbm.members.fit_members": "fit_members",
            "jaxbm.members.progress": ("MembersInterrupted", "MembersProgress"),
            "jaxbm.members.result": ("MembersResult", "NonFiniteMembersWarning"),
            "jaxbm.models.batch_ensemble": "BatchEnsemble",
            "jaxbm.models.functions": "FunctionModel",
            "jaxbm.models.mlp": ("MLP", "Dense"),
            "jaxbm.models.protocol": "Model",
            "jaxbm.optimizers": ("adam", "adamw", "apply_updates", "clip_by_global_norm", "sgd"),
            "jaxbm.privacy": "DPSGD",
            "jaxbm.saved.many_models": ("load_members", "save_members"),
            "jaxbm.saved.one_model": ("load", "save"),
            "jaxbm.studies": "space",
            "jaxbm.studies.cross_validate": ("CrossValidation", "cross_validate"),
            "jaxbm.studies.fit_groups": ("GroupsResult", "fit_groups"),
            "jaxbm.studies.sweep": "sweep",
            "jaxbm.studies.sweep_result": ("SweepInterrupted", "SweepResult"),
            "jaxbm.training.fit": ("FitResult", "NonFiniteError", "fit"),
            "jaxbm.training.predict": ("evaluate", "predict"),
        },
    )

__version__ = "0.1.0"

__all__ = [
    "DPSGD",
    "MLP",
    "BatchEnsemble",
    "CrossValidation",
    "Dense",
    "Ensemble",
    "FitResult",
    "FunctionModel",
    "GroupsResult",
    "MembersInterrupted",
    "MembersProgress",
    "MembersResult",
    "Model",
    "NonFiniteError",
    "NonFiniteMembersWarning",
    "SweepInterrupted",
    "SweepResult",
    "accelerate",
    "adam",
    "adamw",
    "apply_updates",
    "augment",
    "clip_by_global_norm",
    "cross_validate",
    "evaluate",
    "explain",
    "fit",
    "fit_groups",
    "fit_members",
    "kernels",
    "load",
    "load_members",
    "losses",
    "metrics",
    "predict",
    "report",
    "save",
    "save_members",
    "sgd",
    "shuffle",
    "space",
    "sweep",
    "table",
    "tabular",
    "understand",
]
