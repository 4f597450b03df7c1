"""Learn a table in one call: presets, the fitted model, and the same again from a folder."""

from jaxbm.tabular.fitted import Fitted, TableModel, load
from jaxbm.tabular.fitting import fit
from jaxbm.tabular.plan import Plan, plan
from jaxbm.tabular.recipes import DEFAULT, PRESETS, Recipe
from jaxbm.tabular.training import train

__all__ = ["DEFAULT", "PRESETS", "Fitted", "Plan", "Recipe", "TableModel", "fit", "load", "plan", "train"]
