"""`JaxMLPClassifier`: scikit-learn's `MLPClassifier`, trained by jaxbm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import numpy as np
from jax.typing import ArrayLike
from scipy import sparse
from sklearn.base import ClassifierMixin
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import _check_partial_fit_first_call, type_of_target, unique_labels
from sklearn.utils.validation import validate_data

from jaxbm.estimators.base import BaseJaxMLP
from jaxbm.estimators.parameters import CONSTRAINTS, check_parameters_again, is_stochastic
from jaxbm.estimators.rows import is_plain
from jaxbm.estimators.targets import (
    Targets,
    as_typed,
    check_classes,
    class_factors,
    class_targets,
    classes_of,
    indicator_targets,
    known_codes,
    one_column,
)


class JaxMLPClassifier(ClassifierMixin, BaseJaxMLP):
    """A multi-layer perceptron, or an ensemble of them, that predicts classes.

    Use it where `sklearn.neural_network.MLPClassifier` stands; only the import changes. It minimises the mean over a
    batch of the cross entropy plus the penalty of `alpha`. Features are taken as they are: standardise them before.

    Parameters
    ----------
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
    class_weight : dict or "balanced", default=None
        Weights of classes, which multiply `sample_weight`; classes that the samples lack are ignored.
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
    classes_ : ndarray of shape (n_classes,)
    coefs_, intercepts_ : list of ndarray
        Weights `(in, out)` and biases `(out,)` of each layer; with `members` they have a leading axis of members.
    loss_, best_loss_ : float
        Of the last epoch, and the lowest; None for the latter with `early_stopping`.
    loss_curve_ : list of float
        Of each epoch, the mean over members; not for "lbfgs".
    validation_scores_, best_validation_score_ : list of float, float
        Accuracy on the rows set aside, with `early_stopping`, otherwise None.
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
    one class             `predict_proba` has two columns             one column, as `classes_` has one entry
    ===================== =========================================== ================================================

    References
    ----------
    Rumelhart, Hinton and Williams, "Learning representations by back-propagating errors" (1986); Kingma and Ba,
    "Adam: A Method for Stochastic Optimization" (2015).

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from jaxbm.estimators import JaxMLPClassifier
    >>> x, y = load_iris(return_X_y=True)
    >>> model = JaxMLPClassifier(learning_rate_init=0.02, tol=1e-2, members=5, random_state=0)
    >>> bool(make_pipeline(StandardScaler(), model).fit(x, y).score(x, y) > 0.95)
    True
    """

    classes_: np.ndarray
    _multilabel: bool

    _parameter_constraints = CONSTRAINTS | {"class_weight": [None, dict, StrOptions({"balanced"})]}

    def __init__(
        self,
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
        class_weight: Any = None,
        weight_init: str = "auto",
        learning_rate_schedule: Callable[..., Any] | None = None,
        precision: str | None = None,
        implementation: str | None = None,
        preset: str | None = None,
    ):
        self._keep(locals())

    def _samples(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, Targets]:
        of_classes = incremental and not reset and not getattr(self, "_multilabel", True)
        if of_classes and type(y) is np.ndarray and is_plain(X, self):
            codes = known_codes(y, self.classes_)
            if codes is not None and len(codes) == len(X):
                return X, class_targets(codes, len(self.classes_))
        X, y = validate_data(
            self, X, y, accept_sparse=["csr"], multi_output=True, dtype=(np.float64, np.float32), reset=reset
        )
        y = as_typed(one_column(y))
        if not hasattr(self, "classes_") or (not self.warm_start and not incremental):
            self._sparse_labels = sparse.issparse(y)
            self._multilabel, self.classes_ = classes_of(y)
        else:
            if of_classes and (codes := known_codes(y, self.classes_)) is not None:
                return X, class_targets(codes, len(self.classes_))
            if not hasattr(self, "_multilabel"):  # the classes of a first partial_fit are given
                self._sparse_labels = sparse.issparse(y)
                self._multilabel = type_of_target(y, input_name="y") == "multilabel-indicator"
            check_classes(unique_labels(y), self.classes_, all_again=self.warm_start)
        return X, self._targets(y)

    def _targets(self, y: Any) -> Targets:
        if self._multilabel:
            return indicator_targets(y.toarray() if sparse.issparse(y) else y)
        return class_targets(np.searchsorted(self.classes_, y), len(self.classes_))

    def _labels(self, y: Any) -> np.ndarray:
        y = as_typed(y)
        if not self._multilabel and len(unseen := np.setdiff1d(y, self.classes_)):
            told = ", ".join(repr(label) for label in unseen[:5].tolist())
            raise ValueError(f"validation_data: expected classes that training has, got {told} besides")
        return self._targets(y).labels

    def _weighted(self, targets: Targets, weight: np.ndarray | None) -> np.ndarray | None:
        if self.class_weight is None:
            return weight
        if targets.kind.name == "multilabel":
            raise ValueError("class_weight: expected None for multi-label targets")
        picked = class_factors(self.class_weight, self.classes_, targets.labels.astype(int))
        return picked if weight is None else weight * picked

    @available_if(is_stochastic)
    def partial_fit(
        self, X: Any, y: Any, sample_weight: ArrayLike | None = None, classes: ArrayLike | None = None
    ) -> Self:
        """Train for one epoch more, on these samples.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_classes)
        sample_weight : array-like of shape (n_samples,), default=None
        classes : array-like of shape (n_classes,), default=None
            All classes of all calls; needed in the first one.

        Returns
        -------
        self : object
        """
        check_parameters_again(self)
        if isinstance(self.class_weight, str):
            raise ValueError(
                "class_weight: 'balanced' needs all samples at once, which partial_fit hasn't got; give the weights"
            )
        if not self._knows(classes):
            _check_partial_fit_first_call(self, classes)
        return self._fit(X, y, sample_weight, incremental=True)

    def _knows(self, classes: Any) -> bool:
        """Whether they are those of an earlier call, as is quickly seen."""
        known = getattr(self, "classes_", None)
        if known is None or classes is None:
            return known is not None
        return type(classes) is np.ndarray and np.array_equal(classes, known)

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class `[n]`, by the members' mean probability; or an indicator, sparse as `y` was."""
        return self._decided(self._probabilities(X))

    def predict_proba(self, X: Any) -> np.ndarray:
        """`[n, classes]`: the members' mean probabilities, in the order of `classes_`."""
        return self._columns(self._probabilities(X))

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """The logarithm of `predict_proba`."""
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The accuracy of `predict`; of several labels, the share of samples of which all are right."""
        return float(super().score(X, as_typed(y), sample_weight))

    def _probabilities(self, X: Any) -> np.ndarray:
        """`[n, out]`, one column for two classes."""
        found = self._outputs(X)
        return found[0] if len(found) == 1 else found.mean(axis=0)

    def _columns(self, p: np.ndarray) -> np.ndarray:
        return np.concatenate([1 - p, p], axis=1) if p.shape[1] == 1 and not self._multilabel else p

    def _decided(self, p: np.ndarray) -> np.ndarray:
        if self._multilabel:
            indicator = (p > 0.5).astype(int)
            return sparse.csr_matrix(indicator) if getattr(self, "_sparse_labels", False) else indicator
        if p.shape[1] == 1:
            return self.classes_[np.minimum((p[:, 0] > 0.5).astype(int), len(self.classes_) - 1)]
        return self.classes_[p.argmax(axis=1)]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
