"""scikit-learn estimators on jaxbm: `JaxMLPClassifier`, `JaxMLPRegressor`, and the search `MembersSearchCV`."""

from jaxbm.estimators.classifier import JaxMLPClassifier
from jaxbm.estimators.regressor import JaxMLPRegressor

__all__ = ["JaxMLPClassifier", "JaxMLPRegressor"]
