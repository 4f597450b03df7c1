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

from jaxbm.estimators.base import BaseJaxMLP
from jaxbm.estimators.parameters import CONSTRAINTS, check_parameters_again, is_stochastic
from jaxbm.estimators.presets import preset_spread
from jaxbm.estimators.rows import WIDE, is_plain
from jaxbm.estimators.targets import Targets, quantity_targets


class JaxMLPRegressor(RegressorMixin, BaseJaxMLP):
    """A multi-layer perceptron, or an ensemble of them, that predicts quantities.

    Use it where `sklearn.neural_network.MLPRegressor` stands; only the import changes. It minimises the mean over a
    batch of the loss, summed over outputs, plus the penalty of `alpha`. Features and targets are taken as they are:
    standardise features before, and targets that are far from 1 by `sklearn.compose.TransformedTargetRegressor`.

    Parameters
    ----------
    loss : {"squared_error", "poisson"}, default="squared_error"
        Half the squared error, or half the Poisson deviance of counts whose rate is the exponential of the output.
    hidden_layer_sizes : array-like of int or int, default=(100,)
        Widths of the hidden layers.
    activation : str, default="relu"
        Of the hidden layers: "identity", "logistic", "tanh", "relu", or another one of `jaxbm.MLP`.
    solver : {"adam", "sgd", "lbfgs", "adamw"}, default="adam"
        How the loss is descended. "lbfgs" takes all rows at once and computes in float64.
    alpha : float, default=0.0001
        L2 penalty: `0.5 * alpha * sum(weight**2)` over the rows of a batch. With "adamw" the decoupled decay instead.
    batch_size : int or "auto", default="auto"
        Rows of a step; "auto" is `min(200, n_samples)`.
    learning_rate : {"constant", "invscaling", "adaptive"}, default="constant"
        Schedule of "sgd": constant; `learning_rate_init / t**power_t` after `t` rows; or divided by 5 whenever
        training would have stopped, until it is 1e-6.
    learning_rate_init : float, default=0.001
    power_t : float, default=0.5
    max_iter : int, default=200
        Most epochs; most iterations of "lbfgs".
    shuffle : bool, default=True
        A new order of the rows in each epoch.
    random_state : int, RandomState instance or None, default=None
    tol : float, default=1e-4
        What counts as an improvement of the training loss, or of the validation score with `early_stopping`.
    verbose : bool, default=False
        Print each epoch's loss.
    warm_start : bool, default=False
        Let `fit` go on from the weights of the last call.
    momentum : float, default=0.9
    nesterovs_momentum : bool, default=True
        Both for "sgd".
    early_stopping : bool, default=False
        Set rows aside, stop when their score improves no more, keep the weights of the best epoch.
    validation_fraction : float, default=0.1
        How many of them.
    beta_1 : float, default=0.9
    beta_2 : float, default=0.999
    epsilon : float, default=1e-8
        All for "adam" and "adamw".
    n_iter_no_change : int, default=10
        Training ends when more epochs than that in a row bring no improvement.
    max_fun : int, default=15000
        Most evaluations of the loss by "lbfgs".
    members : int, default=1
        How many networks, from different initial weights, are trained at once and predict together.
    bootstrap : bool, default=False
        Let each member draw its rows with replacement (bagging).
    dropout : float, default=None
        Probability with which a hidden unit is left out of a training step.
    clip_norm : float, default=None
        Largest norm of a gradient.
    weight_init : str, default="auto"
        scikit-learn's draws of initial weights and biases, or one of `jaxbm.MLP`'s initialisers.
    learning_rate_schedule : callable, default=None
        Learning rate as a function of the step, such as an Optax schedule, instead of `learning_rate_init`.
    precision : {"highest", "tf32", "bfloat16"}, default=None
        The least precision of training's matrix products, as for `jaxbm.fit`; CPUs compute in float32, "lbfgs" in
        the dtype of `X`.
    implementation : str, default=None
        As for `jaxbm.fit`.
    preset : {"accurate", "best", "classic"}, default=None
        Learn as `jaxbm.tabular.fit` does with this preset: it decides how numbers are encoded and scaled, how many
        networks are validated on which folds, and how long they train. Parameters that differ from their defaults
        change it; those that have no meaning there are errors. Needs pandas. `coefs_` are then those behind the
        encoding, `loss_` is of the standardised target.

    Attributes
    ----------
    coefs_, intercepts_ : list of ndarray
        Weights `(in, out)` and biases `(out,)` of each layer; with `members` they have a leading axis of members.
    loss_, best_loss_ : float
        Of the last epoch, and the lowest; None for the latter with `early_stopping`.
    loss_curve_ : list of float
        Of each epoch, the mean over members; not for "lbfgs".
    validation_scores_, best_validation_score_ : list of float, float
        R2 on the rows set aside, with `early_stopping`, otherwise None.
    n_iter_, t_ : int
        Epochs of the last call, and rows visited in all calls.
    n_features_in_, feature_names_in_, n_layers_, n_outputs_, out_activation_
        As in scikit-learn.
    ensemble_ : jaxbm.Ensemble
        The members, of logits.

    Notes
    -----
    The meaning of every parameter that scikit-learn has is scikit-learn's, and so are the initial weights of a
    `random_state`. On purpose, this is different:

    ===================== =========================================== ================================================
    what                  scikit-learn                                here
    ===================== =========================================== ================================================
    arithmetic            in the dtype of `X`                         float32; float64 for "lbfgs" with float64 `X`.
                                                                      Numbers beyond float32 are an error
    order of rows         NumPy's generator                           a counter-based one: other batches, same quality
    weighted epoch        its loss is the mean of its batches' means  the mean over all of its rows, by weight
    full batch            shuffled                                    not shuffled, equal rows are one of more weight
    `epsilon`             added to the root before bias correction    after it, as in the paper's algorithm 1
    `partial_fit`         same order of rows in every call            another one in each call
    `warm_start` by score ends with its last weights if none is best  the best so far, which it began with
    divergence            goes on with NaN; ValueError at the end     stops there; ValueError; by score a warning
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
        if incremental and not reset and is_plain(X, self) and _is_plain_column(y, len(X)):
            return X, quantity_targets(y, self.loss)
        X, y = validate_data(
            self, X, y, accept_sparse=["csr"], multi_output=True, y_numeric=True, dtype=(np.float64, np.float32),
            reset=reset,
        )  # fmt: skip
        return X, quantity_targets(column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y, self.loss)

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


def _is_plain_column(y: Any, rows: int) -> bool:
    """Whether scikit-learn's checks of targets would find nothing and change nothing."""
    return type(y) is np.ndarray and y.shape == (rows,) and y.dtype in WIDE and bool(np.isfinite(y).all())
