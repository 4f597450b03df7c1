"""Learn a table in one call: presets, the fitted model, and the same again from a folder."""

from typing import TYPE_CHECKING

from jaxbm.core.lazy import attached
from jaxbm.tabular.fitted import Fitted, TableModel, load
from jaxbm.tabular.fitting import fit
from jaxbm.tabular.plan import Plan, plan
from jaxbm.tabular.recipes import DEFAULT, PRESETS, Recipe
from jaxbm.tabular.training import train

if not TYPE_CHECKING:  # its modules, imported when asked for
    __getattr__, __dir__ = attached(__name__)

__all__ = ["DEFAULT", "PRESETS", "Fitted", "Plan", "Recipe", "TableModel", "fit", "load", "plan", "train"]
