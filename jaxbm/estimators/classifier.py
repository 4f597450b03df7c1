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

from jaxbm.core.calls import helpful
from jaxbm.estimators.base import BaseJaxMLP
from jaxbm.estimators.documentation import documented
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


@documented
@helpful
class JaxMLPClassifier(ClassifierMixin, BaseJaxMLP):
    """A multi-layer perceptron, or an ensemble of them, that predicts classes.

    Use it where `sklearn.neural_network.MLPClassifier` stands; only the import changes. It minimises the mean over a
    batch of the cross entropy plus the penalty of `alpha`. Features are taken as they are: standardise them before.

    Parameters
    ----------
    {learning}
    class_weight : dict or "balanced", default=None
        Weights of classes, which multiply `sample_weight`; classes that the samples lack are ignored.
    {run}

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    {weights}
    validation_scores_, best_validation_score_ : list of float, float
        Accuracy on the rows set aside, with `early_stopping`, otherwise None.
    {epochs}

    Notes
    -----
    {differences}
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
        if of_classes and (codes := self._plain_labels(X, y)) is not None:
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

    def _plain_labels(self, X: Any, y: Any) -> np.ndarray | None:
        if self._multilabel or type(y) is not np.ndarray or not is_plain(X, self) or len(y) != len(X):
            return None
        return known_codes(y, self.classes_)

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
        if sample_weight is None and self._knows(classes) and self._repeated(X, y):
            return self
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
