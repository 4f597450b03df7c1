"""What a trained model does with its features: importance, gradients, dependence, local effects."""

from typing import TYPE_CHECKING

from jaxbm.core.lazy import attached
from jaxbm.understand.dependence import Dependence, partial_dependence
from jaxbm.understand.effects import LocalEffects, accumulated_local_effects
from jaxbm.understand.gradients import CompletenessWarning, IntegratedGradients, integrated_gradients
from jaxbm.understand.importance import PermutationImportance, permutation_importance

if not TYPE_CHECKING:  # its modules, imported when asked for
    __getattr__, __dir__ = attached(__name__)

__all__ = [
    "CompletenessWarning",
    "Dependence",
    "IntegratedGradients",
    "LocalEffects",
    "PermutationImportance",
    "accumulated_local_effects",
    "integrated_gradients",
    "partial_dependence",
    "permutation_importance",
]
