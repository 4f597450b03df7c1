"""`JaxMLPRegressor`: scikit-learn's `MLPRegressor`, trained by jaxbm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import numpy as np
from jax.typing import ArrayLike
from sklearn.base import RegressorMixin
from sklearn.utils import check_array, column_or_1d
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import validate_data

from jaxbm.core.calls import helpful
from jaxbm.estimators.base import BaseJaxMLP
from jaxbm.estimators.documentation import documented
from jaxbm.estimators.parameters import CONSTRAINTS, check_parameters_again, is_stochastic
from jaxbm.estimators.presets import preset_spread
from jaxbm.estimators.rows import WIDE, are_near, is_plain
from jaxbm.estimators.targets import Targets, quantity_targets


@documented
@helpful
class JaxMLPRegressor(RegressorMixin, BaseJaxMLP):
    """A multi-layer perceptron, or an ensemble of them, that predicts quantities.

    Use it where `sklearn.neural_network.MLPRegressor` stands; only the import changes. It minimises the mean over a
    batch of the loss, summed over outputs, plus the penalty of `alpha`. Features and targets are taken as they are:
    standardise features before, and targets that are far from 1 by `sklearn.compose.TransformedTargetRegressor`.

    Parameters
    ----------
    loss : {"squared_error", "poisson"}, default="squared_error"
        Half the squared error, or half the Poisson deviance of counts whose rate is the exponential of the output.
    {learning}
    {run}

    Attributes
    ----------
    {weights}
    validation_scores_, best_validation_score_ : list of float, float
        R2 on the rows set aside, with `early_stopping`, otherwise None.
    {epochs}

    Notes
    -----
    {differences}
    several outputs       "lbfgs" mixes the mean of their losses      minimises the sum, reports the mean
                          with the gradient of their sum
    ===================== =========================================== ================================================

    References
    ----------
    As for `JaxMLPClassifier`.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.preprocessing import scale
    >>> from jaxbm.estimators import JaxMLPRegressor
    >>> x, y = load_diabetes(return_X_y=True)
    >>> model = JaxMLPRegressor(learning_rate_init=0.01, members=4, max_iter=100, random_state=0, tol=1e-2)
    >>> mean, spread = model.fit(scale(x), scale(y)).predict(scale(x)[:3], return_std=True)
    >>> mean.shape, spread.shape
    ((3,), (3,))
    """

    _parameter_constraints = CONSTRAINTS | {"loss": [StrOptions({"squared_error", "poisson"})]}

    def __init__(
        self,
        loss: str = "squared_error",
        hidden_layer_sizes: Any = (100,),
        activation: str = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: Any = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        members: int = 1,
        bootstrap: bool = False,
        dropout: float | None = None,
        clip_norm: float | None = None,
        weight_init: str = "auto",
        learning_rate_schedule: Callable[..., Any] | None = None,
        precision: str | None = None,
        implementation: str | None = None,
        preset: str | None = None,
    ):
        self._keep(locals())

    def _samples(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, Targets]:
        if incremental and not reset and self._plain_labels(X, y) is not None:
            return X, quantity_targets(y, self.loss)
        X, y = validate_data(
            self, X, y, accept_sparse=["csr"], multi_output=True, y_numeric=True, dtype=(np.float64, np.float32),
            reset=reset,
        )  # fmt: skip
        return X, quantity_targets(column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y, self.loss)

    def _plain_labels(self, X: Any, y: Any) -> np.ndarray | None:
        is_plain_column = type(y) is np.ndarray and y.ndim == 1 and y.dtype in WIDE and are_near(y)
        if not is_plain_column or len(y) != len(X) or not is_plain(X, self):
            return None
        return y if self.loss == "squared_error" or y.min(initial=0) >= 0 else None

    def _labels(self, y: Any) -> np.ndarray:
        y = check_array(y, ensure_2d=False, dtype="numeric", input_name="y of validation_data")
        return quantity_targets(y, self.loss).labels

    @available_if(is_stochastic)
    def partial_fit(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> Self:
        """Train for one epoch more, on these samples.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        self : object
        """
        if sample_weight is None and self._repeated(X, y):
            return self
        check_parameters_again(self)
        return self._fit(X, y, sample_weight, incremental=True)

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """The members' mean `[n]` or `[n, outputs]`; with `return_std` also their standard deviation."""
        outputs = self._outputs(X)
        if outputs.shape[2] == 1:
            outputs = outputs[:, :, 0]
        mean = outputs.mean(axis=0)
        if not return_std:
            return mean
        if self.preset is not None:
            return mean, preset_spread(self, self._features(X))
        return mean, outputs.std(axis=0)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
