"""scikit-learn estimators on jaxbm: `JaxMLPClassifier`, `JaxMLPRegressor`, and the search `MembersSearchCV`."""

from jaxbm.core.extras import needs

with needs("jaxbm.estimators"):
    from jaxbm.estimators.classifier import JaxMLPClassifier
    from jaxbm.estimators.regressor import JaxMLPRegressor
    from jaxbm.estimators.search import MembersSearchCV

__all__ = ["JaxMLPClassifier", "JaxMLPRegressor", "MembersSearchCV"]
