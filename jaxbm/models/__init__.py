"""Networks: pure functions over pytrees of parameters."""

from typing import TYPE_CHECKING

from jaxbm.core.lazy import attached
from jaxbm.models.batch_ensemble import BatchEnsemble
from jaxbm.models.functions import FunctionModel
from jaxbm.models.mlp import MLP, Dense
from jaxbm.models.protocol import Model
from jaxbm.models.registry import register

if not TYPE_CHECKING:  # its modules, imported when asked for
    __getattr__, __dir__ = attached(__name__)

__all__ = ["MLP", "BatchEnsemble", "Dense", "FunctionModel", "Model", "register"]
