"""Differentially private training: what is asked for, what it costs, and the arithmetic of one step."""

from typing import TYPE_CHECKING

from jaxbm.core.lazy import attached
from jaxbm.privacy.accounting import epsilon_of, noise_for
from jaxbm.privacy.dpsgd import DPSGD
from jaxbm.privacy.entropy import entropy_key
from jaxbm.privacy.gradients import clipped_examples, gaussian_noise
from jaxbm.privacy.spent import Mechanism, PrivacySpent

if not TYPE_CHECKING:  # its modules, imported when asked for
    __getattr__, __dir__ = attached(__name__)

__all__ = [
    "DPSGD",
    "Mechanism",
    "PrivacySpent",
    "clipped_examples",
    "entropy_key",
    "epsilon_of",
    "gaussian_noise",
    "noise_for",
]
