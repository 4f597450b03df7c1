"""Networks: pure functions over pytrees of parameters."""

from jaxbm.models.batch_ensemble import BatchEnsemble
from jaxbm.models.functions import FunctionModel
from jaxbm.models.mlp import MLP, Dense
from jaxbm.models.protocol import Model
from jaxbm.models.registry import register

__all__ = ["MLP", "BatchEnsemble", "Dense", "FunctionModel", "Model", "register"]
