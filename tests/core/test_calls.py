"""What other libraries' users type first is answered with what it is called here."""

import copy
import pickle
import re

import jax
import numpy as np
import pandas as pd
import pytest

import jaxbm
from jaxbm.core.elsewhere import OBJECTS, PLACES
from jaxbm.estimators import JaxMLPClassifier

KEY, MODEL = jax.random.key(0), jaxbm.MLP((2, 4, 1))
X = np.random.default_rng(0).normal(size=(40, 2)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int32)
THEIRS = type("BCEWithLogitsLoss", (), {"__module__": "torch.nn.modules.loss", "__call__": lambda *_: 0})
BINARY = "sigmoid_binary_cross_entropy"


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: jaxbm.fit(MODEL, X, Y, loss=BINARY), "expected fit(key, model, x, y, loss=..., ...)"),
        (lambda: jaxbm.fit(KEY, MODEL, X, Y), "expected fit(key, model, x, y, loss=..., ...)"),
        (lambda: jaxbm.fit(KEY, MODEL, X, Y, loss=BINARY, verbose=0), "did you mean 'progress'?"),
        (lambda: jaxbm.fit(KEY, MODEL, X, Y, loss=BINARY, seed=0), "did you mean 'key'?"),
        (lambda: jaxbm.fit(KEY, MODEL, X, Y, loss=BINARY, lr=0.1), "did you mean 'optimizer'?"),
        (lambda: jaxbm.fit(KEY, MODEL, X, Y, loss=BINARY, optimizer=jaxbm.adam), "the function adam, not called"),
        (lambda: jaxbm.fit(KEY, MODEL, X, Y.astype(str), loss=BINARY), "np.unique(..., return_inverse=True)[1]"),
        (lambda: jaxbm.fit_members(KEY, MODEL, X, Y, loss=BINARY, n_members=3), "did you mean 'members'?"),
        (lambda: jaxbm.cross_validate(KEY, MODEL, X, Y, loss=BINARY, cv=3), "did you mean 'folds'?"),
        (lambda: jaxbm.sweep(KEY, MODEL, X, Y, space={}, loss=BINARY), "expected sweep(space, key, model, x, y, "),
        (lambda: jaxbm.adam(lr=1e-3), "did you mean 'learning_rate'?"),
        (lambda: jaxbm.adamw(1e-3, betas=(0.9, 0.99)), "did you mean 'b1'?"),
        (lambda: jaxbm.sgd(), "expected sgd(learning_rate, ...)"),
        (lambda: jaxbm.MLP(hidden=(4,)), "did you mean 'sizes'?"),
        (lambda: jaxbm.MLP((2, 1), kernel_initializer="zeros"), "did you mean 'weight_init'?"),
        (lambda: jaxbm.save(MODEL, "folder"), "expected save(folder, model, params, ...)"),
        (lambda: jaxbm.predict(MODEL, X), "expected predict(model, params, x, ...)"),
        (lambda: jaxbm.tabular.fit(pd.DataFrame(X)), "expected fit(frame, target, ...)"),
        (lambda: jaxbm.table.read("x.csv", delimiter=";"), "did you mean 'sep'?"),
        (lambda: jaxbm.understand.permutation_importance(KEY, None, X, n_repeats=1), "did you mean 'repeats'?"),
        (lambda: jaxbm.fit(KEY, MODEL, X, Y, loss=BINARY, optimizer="adam"), "got 'adam'; here it is jaxbm.adam"),
        (lambda: jaxbm.fit(KEY, MODEL, X, Y, loss=BINARY, optimizer="RMSprop"), "here it is any optimizer of Optax"),
        (lambda: jaxbm.fit(KEY, MODEL, X, Y, loss=BINARY, callbacks=[1]), "did you mean 'progress'?"),
        (lambda: jaxbm.fit(KEY, MODEL, X, Y, loss=THEIRS()), "torch's BCEWithLogitsLoss; here it is jaxbm.losses.s"),
        (lambda: jaxbm.fit(KEY, MODEL, X, Y, loss=THEIRS), "torch's BCEWithLogitsLoss; here it is jaxbm.losses.s"),
        (lambda: jaxbm.MLP((jaxbm.MLP((2, 4)), 1)), "the widths from input to output such as (20, 64, 1), got MLP"),
        (lambda: jaxbm.MLP((4, "relu", 1)), "what is between them are activation and output_activation"),
        (lambda: jaxbm.MLP((4, 8, 1), dropout=0.1), "here it is jaxbm.fit, which takes dropout"),
        (lambda: jaxbm.Dense(64, activation="relu"), "a network is jaxbm.MLP((20, 64, 1), activation='relu')"),
        (lambda: jaxbm.Dense(64), "it holds one layer's parameters"),
        (lambda: jaxbm.losses.squared_error(y_true=Y, y_pred=Y), "did you mean 'targets'?"),
        (lambda: jaxbm.losses.huber_loss(Y, Y, beta=1.0), "did you mean 'delta'?"),
        (lambda: jaxbm.metrics.accuracy(y_true=Y, y_pred=Y), "did you mean 'labels'?"),
        (lambda: jaxbm.metrics.roc_auc(Y, y_score=Y), "did you mean 'scores'?"),
        (lambda: jaxbm.metrics.f1(Y), "expected f1(predictions, labels, ...)"),
        (lambda: JaxMLPClassifier(epochs=3), "did you mean 'max_iter'?"),
        (lambda: JaxMLPClassifier(lr=3), "did you mean 'learning_rate_init'?"),
    ],
)  # fmt: skip
def test_a_call_that_does_not_fit(call, told):
    with pytest.raises(TypeError, match=re.escape(told)):
        call()


def test_errors_from_inside_stay_as_they_are():
    def loss(logits, labels):
        return (lambda: logits)(labels)

    with pytest.raises(TypeError, match=r"takes 0 positional arguments but 1 was given(?!;)"):
        jaxbm.fit(KEY, MODEL, X, Y, loss=loss)


def test_objects_say_where_that_is_which_they_have_not():
    result = jaxbm.fit(KEY, MODEL, X, Y, loss=BINARY, epochs=1)
    many = jaxbm.fit_members(KEY, MODEL, X, Y, members=2, loss=BINARY, epochs=1)
    for one, name, told in (
        (MODEL, "fit", "jaxbm.fit(key, model"), (MODEL, "state_dict", "params"), (result, "save", "jaxbm.save("),
        (many, "save", "jaxbm.save_members"), (jaxbm.Ensemble.of(many), "predict_proba", "probabilities(x)"),
    ):  # fmt: skip
        with pytest.raises(AttributeError, match=re.escape(f"has no attribute '{name}'; here it is {told}")):
            getattr(one, name)
        with pytest.raises(AttributeError, match=r"has no attribute 'xyz'$"):
            one.xyz  # noqa: B018
        assert not hasattr(one, "__array__")
        assert type(copy.deepcopy(one)) is type(pickle.loads(pickle.dumps(one))) is type(one)


def test_a_property_that_fails_says_why():
    class Own(jaxbm.MLP):
        @property
        def loss(self):
            return self.nothing

    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        Own((2, 1)).loss  # noqa: B018


def test_the_places_are_there():
    told = [place for places in (*PLACES.values(), *OBJECTS.values()) for place in places.values()]
    for name in re.findall(r"\bjaxbm(?:\.\w+)+", " ".join(told)):
        its = jaxbm
        for part in name.split(".")[1:]:
            its = getattr(its, part)


def test_probabilities_in_the_place_of_logits_are_told():
    model = jaxbm.MLP((2, 4, 1), output_activation="sigmoid")
    with pytest.warns(UserWarning, match="takes logits, and output_activation='sigmoid' makes probabilities"):
        jaxbm.fit(KEY, model, X, Y, loss=BINARY, epochs=1)
