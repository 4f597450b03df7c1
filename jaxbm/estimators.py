"""scikit-learn estimators: `JaxMLPClassifier` and `JaxMLPRegressor`, alone or as an ensemble of members.

They follow scikit-learn's conventions, so pipelines, `cross_val_score` and `GridSearchCV` work with them. Features
are taken as they are: put a `StandardScaler` before them. A regressor scales its targets itself.
"""

from __future__ import annotations

from typing import Any, Self

import jax
import numpy as np
from jax.typing import ArrayLike
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

import jaxbm.optimizers
from jaxbm.members.ensemble import Ensemble
from jaxbm.members.fit_members import fit_members
from jaxbm.members.result import MembersResult
from jaxbm.models.mlp import MLP


class _JaxMLP(BaseEstimator):
    """What classifier and regressor share; see `JaxMLPClassifier` for the parameters."""

    def __init__(
        self,
        hidden_layer_sizes: tuple[int, ...] = (64, 32),
        activation: str = "relu",
        *,
        weight_init: str = "glorot_uniform",
        optimizer: Any = "adam",
        learning_rate: Any = 1e-3,
        epochs: int = 50,
        batch_size: int = 32,
        shuffle: bool = True,
        validation_fraction: float = 0.0,
        patience: int | None = None,
        min_delta: float = 0.0,
        l2: float | None = None,
        dropout: float | None = None,
        clip_norm: float | None = None,
        members: int = 1,
        bootstrap: bool = False,
        random_state: Any = None,
        implementation: str | None = None,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.weight_init = weight_init
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.min_delta = min_delta
        self.l2 = l2
        self.dropout = dropout
        self.clip_norm = clip_norm
        self.members = members
        self.bootstrap = bootstrap
        self.random_state = random_state
        self.implementation = implementation

    def _train(self, x: np.ndarray, y: np.ndarray, outputs: int, loss: str, weight: Any, class_weight: Any) -> None:
        seed = int(check_random_state(self.random_state).randint(2**31))
        validation = None
        if self.validation_fraction:
            # A fresh shuffle: the last rows, which `fit` would take, may all be of one class.
            order = np.random.default_rng(seed).permutation(len(x))
            held = int(np.ceil(self.validation_fraction * len(x)))
            if not 0 < held < len(x):
                raise ValueError(
                    f"validation_fraction: {self.validation_fraction} of {len(x)} samples leaves none to train on"
                )
            rows, validation = order[held:], order[:held]
        hidden = (self.hidden_layer_sizes,) if np.ndim(self.hidden_layer_sizes) == 0 else self.hidden_layer_sizes
        model = MLP((x.shape[1], *hidden, outputs), self.activation, weight_init=self.weight_init)
        result: MembersResult = fit_members(
            jax.random.key(seed), model, x, y, members=self.members, loss=loss, optimizer=self._optimizer(),
            epochs=self.epochs, batch_size=self.batch_size, shuffle=self.shuffle,
            rows=rows if self.validation_fraction else None, validation_rows=validation, bootstrap=self.bootstrap,
            sample_weight=weight, class_weight=class_weight, patience=self.patience, min_delta=self.min_delta,
            l2=self.l2, dropout=self.dropout, clip_norm=self.clip_norm, implementation=self.implementation,
        )  # fmt: skip
        self.ensemble_ = Ensemble.of(result)
        self.history_ = {name: np.asarray(values) for name, values in result.history.items()}
        self.n_iter_ = int(np.asarray(result.epochs_run).max())
        self.loss_curve_ = np.nanmean(self.history_["loss"][:, : self.n_iter_], axis=0).tolist()
        self.n_outputs_ = outputs

    def _optimizer(self) -> Any:
        if not isinstance(self.optimizer, str):
            return self.optimizer
        return jaxbm.optimizers.optimizer(self.optimizer)(self.learning_rate)

    def _rows(self, x: ArrayLike) -> np.ndarray:
        check_is_fitted(self)
        return validate_data(self, x, dtype=np.float32, reset=False)


class JaxMLPClassifier(ClassifierMixin, _JaxMLP):
    """A multi-layer perceptron, or an ensemble of them, that predicts classes.

    Parameters
    ----------
    hidden_layer_sizes, activation, weight_init
        The architecture, as in `jaxbm.MLP`.
    optimizer, learning_rate
        "adam", "adamw" or "sgd" with that learning rate (a number or a schedule); or an optimizer of its own.
    epochs, batch_size, shuffle, patience, min_delta, l2, dropout, clip_norm, implementation
        As in `jaxbm.fit`.
    validation_fraction
        Fraction of the samples, drawn at random, to validate on.
    members, bootstrap
        How many networks predict together, and whether each draws its samples with replacement (bagging).
    class_weight
        `{class: weight}` or "balanced".
    random_state
        A seed, a `RandomState` or None.

    Attributes
    ----------
    classes_, n_features_in_, n_iter_, loss_curve_, history_ (by member), ensemble_ (a `jaxbm.Ensemble`)

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from jaxbm.estimators import JaxMLPClassifier
    >>> x, y = load_iris(return_X_y=True)
    >>> model = make_pipeline(StandardScaler(), JaxMLPClassifier(members=5, random_state=0)).fit(x, y)
    >>> bool(model.score(x, y) > 0.95)
    True
    """

    def __init__(
        self,
        hidden_layer_sizes: tuple[int, ...] = (64, 32),
        activation: str = "relu",
        *,
        weight_init: str = "glorot_uniform",
        optimizer: Any = "adam",
        learning_rate: Any = 1e-3,
        epochs: int = 50,
        batch_size: int = 32,
        shuffle: bool = True,
        validation_fraction: float = 0.0,
        patience: int | None = None,
        min_delta: float = 0.0,
        l2: float | None = None,
        dropout: float | None = None,
        clip_norm: float | None = None,
        members: int = 1,
        bootstrap: bool = False,
        class_weight: Any = None,
        random_state: Any = None,
        implementation: str | None = None,
    ):
        super().__init__(
            hidden_layer_sizes, activation, weight_init=weight_init, optimizer=optimizer,
            learning_rate=learning_rate, epochs=epochs, batch_size=batch_size, shuffle=shuffle,
            validation_fraction=validation_fraction, patience=patience, min_delta=min_delta, l2=l2, dropout=dropout,
            clip_norm=clip_norm, members=members, bootstrap=bootstrap, random_state=random_state,
            implementation=implementation,
        )  # fmt: skip
        self.class_weight = class_weight

    def fit(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> Self:
        """Train on samples `X` `[n, features]` of the classes `y` `[n]`."""
        X, y = validate_data(self, X, y, dtype=np.float32)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"y: expected two or more classes, got one class, {self.classes_[0]!r}")
        weight = None if sample_weight is None else _check_sample_weight(sample_weight, X, dtype=np.float32)
        class_weight = self.class_weight
        if isinstance(class_weight, dict):
            places = {label: i for i, label in enumerate(self.classes_.tolist())}
            absent = [label for label in class_weight if label not in places]
            if absent:
                raise ValueError(f"class_weight: expected classes of {self.classes_.tolist()}, got {absent}")
            class_weight = {places[label]: value for label, value in class_weight.items()}
        if len(self.classes_) == 2:
            labels, outputs, loss = codes.astype(np.float32), 1, "sigmoid_binary_cross_entropy"
        else:
            labels, outputs = codes.astype(np.int32), len(self.classes_)
            loss = "softmax_cross_entropy_with_integer_labels"
        self._train(X, labels, outputs, loss, weight, class_weight)
        return self

    def predict(self, X: ArrayLike) -> np.ndarray:
        """The most probable class `[n]` by the members' mean probability."""
        most_probable = self.predict_proba(X).argmax(axis=1)
        return self.classes_[most_probable]

    def predict_proba(self, X: ArrayLike) -> np.ndarray:
        """`[n, classes]`: the members' mean probabilities, in the order of `classes_`."""
        rows = self._rows(X)
        return self.ensemble_.probabilities(rows)

    def predict_log_proba(self, X: ArrayLike) -> np.ndarray:
        """The logarithm of `predict_proba`."""
        return np.log(self.predict_proba(X))


class JaxMLPRegressor(RegressorMixin, _JaxMLP):
    """A multi-layer perceptron, or an ensemble of them, that predicts quantities.

    Targets are scaled to mean 0 and deviation 1 for training, and predictions back. Parameters and attributes as for
    `JaxMLPClassifier`, without `class_weight` and `classes_`.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from jaxbm.estimators import JaxMLPRegressor
    >>> x, y = load_diabetes(return_X_y=True)
    >>> model = make_pipeline(StandardScaler(), JaxMLPRegressor(members=4, epochs=20, random_state=0)).fit(x, y)
    >>> mean, spread = model.predict(x[:3], return_std=True)
    >>> mean.shape, spread.shape
    ((3,), (3,))
    """

    def fit(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> Self:
        """Train on samples `X` `[n, features]` with targets `y` `[n]` or `[n, outputs]`."""
        X, y = validate_data(self, X, y, dtype=np.float32, multi_output=True, y_numeric=True)
        weight = None if sample_weight is None else _check_sample_weight(sample_weight, X, dtype=np.float32)
        targets = np.asarray(y, np.float64)
        self.target_mean_, deviation = targets.mean(axis=0), targets.std(axis=0)
        self.target_scale_ = np.where(deviation > 0, deviation, 1.0)
        scaled = ((targets - self.target_mean_) / self.target_scale_).astype(np.float32)
        self._train(X, scaled, 1 if y.ndim == 1 else y.shape[1], "squared_error", weight, None)
        return self

    def predict(self, X: ArrayLike, return_std: bool = False) -> Any:
        """The members' mean `[n]` or `[n, outputs]`; with `return_std` also their standard deviation."""
        rows = self._rows(X)
        mean = self._shaped(self.ensemble_.mean(rows)) * self.target_scale_ + self.target_mean_
        if not return_std:
            return mean
        return mean, self._shaped(self.ensemble_.spread(rows)) * self.target_scale_

    def _shaped(self, values: np.ndarray) -> np.ndarray:
        return values[:, 0] if np.ndim(self.target_mean_) == 0 else values

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
