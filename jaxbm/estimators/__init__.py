"""scikit-learn estimators on jaxbm: `JaxMLPClassifier`, `JaxMLPRegressor`, and the search `MembersSearchCV`."""

from typing import TYPE_CHECKING

from jaxbm.core.extras import needs
from jaxbm.core.lazy import attached

with needs("jaxbm.estimators"):
    from jaxbm.estimators.classifier import JaxMLPClassifier
    from jaxbm.estimators.regressor import JaxMLPRegressor
    from jaxbm.estimators.search import MembersSearchCV

if not TYPE_CHECKING:  # its modules, imported when asked for
    __getattr__, __dir__ = attached(__name__)

__all__ = ["JaxMLPClassifier", "JaxMLPRegressor", "MembersSearchCV"]
