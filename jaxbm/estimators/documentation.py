"""What the docstrings of the classifier and the regressor have in common."""

from __future__ import annotations

import re
import textwrap
from typing import TypeVar

Kind = TypeVar("Kind", bound=type)

LEARNING = """\
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
"""

RUN = """\
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
"""

WEIGHTS = """\
coefs_, intercepts_ : list of ndarray
    Weights `(in, out)` and biases `(out,)` of each layer; with `members` they have a leading axis of members.
loss_, best_loss_ : float
    Of the last epoch, and the lowest; None for the latter with `early_stopping`.
loss_curve_ : list of float
    Of each epoch, the mean over members; not for "lbfgs".
"""

EPOCHS = """\
n_iter_, t_ : int
    Epochs of the last call, and rows visited in all calls.
n_features_in_, feature_names_in_, n_layers_, n_outputs_, out_activation_
    As in scikit-learn.
ensemble_ : jaxbm.Ensemble
    The members, of logits.
"""

DIFFERENCES = """\
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
"""


def documented(kind: Kind) -> Kind:
    """Put the texts of this module into a class's docstring, where their names stand in lower case in braces."""
    if kind.__doc__:  # there is none with python -OO
        kind.__doc__ = re.sub(
            r"( +)\{(\w+)\}\n", lambda found: textwrap.indent(globals()[found[2].upper()], found[1]), kind.__doc__
        )
    return kind
