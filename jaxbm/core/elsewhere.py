"""What other libraries call something that has another name, or another place, here."""

from __future__ import annotations

import re
from collections.abc import Collection

NAMES: dict[str, tuple[str, ...]] = {
    "mse": ("squared_error",),
    "mseloss": ("squared_error",),
    "meansquarederror": ("squared_error", "mse"),
    "rootmeansquarederror": ("rmse",),
    "mae": ("absolute_error",),
    "l1loss": ("absolute_error",),
    "meanabsoluteerror": ("absolute_error", "mae"),
    "smoothl1loss": ("huber_loss",),
    "huber": ("huber_loss",),
    "quantileloss": ("pinball_loss",),
    "bce": ("sigmoid_binary_cross_entropy",),
    "bceloss": ("sigmoid_binary_cross_entropy",),
    "bcewithlogitsloss": ("sigmoid_binary_cross_entropy",),
    "binarycrossentropy": ("sigmoid_binary_cross_entropy", "log_loss"),
    "logloss": ("sigmoid_binary_cross_entropy", "log_loss"),
    "crossentropy": ("softmax_cross_entropy_with_integer_labels", "sigmoid_binary_cross_entropy", "log_loss"),
    "crossentropyloss": ("softmax_cross_entropy_with_integer_labels", "sigmoid_binary_cross_entropy"),
    "nllloss": ("softmax_cross_entropy_with_integer_labels",),
    "sparsecategoricalcrossentropy": ("softmax_cross_entropy_with_integer_labels", "log_loss"),
    "categoricalcrossentropy": ("softmax_cross_entropy", "log_loss"),
    "binaryfocalcrossentropy": ("sigmoid_focal_loss",),
    "auc": ("roc_auc",),
    "auroc": ("roc_auc",),
    "rocaucscore": ("roc_auc",),
    "r2score": ("r2",),
    "brierscoreloss": ("brier_score",),
    "lr": ("learning_rate", "optimizer"),
    "learningrate": ("learning_rate", "optimizer"),
    "weightdecay": ("weight_decay", "l2"),
    "alpha": ("l2",),
    "maxiter": ("epochs",),
    "earlystopping": ("patience",),
    "linear": ("identity",),
    "none": ("identity",),
    "logistic": ("sigmoid",),
    "klloss": ("kl_divergence",),
    "kldiv": ("kl_divergence",),
    "kldivloss": ("kl_divergence",),
    "meanabsolutepercentageerror": ("mape",),
    "meansquaredlogarithmicerror": (),
    "fbetascore": (),
    "cohenkappascore": (),
    "ctcloss": (),
    "ntxent": (),
    "diceloss": (),
    "verbose": (),
    "callbacks": (),
}
"""In small letters, and what it may be here, which spelling wouldn't tell."""

_OPTAX = "any optimizer of Optax, which fit takes"
_ESTIMATORS = {
    "mlpclassifier": "jaxbm.estimators.JaxMLPClassifier",
    "mlpregressor": "jaxbm.estimators.JaxMLPRegressor",
    "gridsearchcv": "jaxbm.estimators.MembersSearchCV",
    "randomizedsearchcv": "jaxbm.estimators.MembersSearchCV",
}
PLACES: dict[str, dict[str, str]] = {
    "jaxbm": {
        "sequential": "jaxbm.MLP",
        "linear": "jaxbm.MLP",
        "nn": "jaxbm.MLP",
        "layers": "jaxbm.MLP",
        "module": "jaxbm.Model",
        "sgd": "jaxbm.sgd",
        "adam": "jaxbm.adam",
        "adamw": "jaxbm.adamw",
        "optim": "jaxbm.optimizers",
        "rmsprop": _OPTAX,
        "lion": _OPTAX,
        "compile": "jaxbm.fit, which takes loss and optimizer",
        "train": "jaxbm.fit",
        "trainer": "jaxbm.fit",
        "dataloader": "jaxbm.fit, which takes arrays and makes batches",
        "score": "jaxbm.evaluate",
        "predictproba": "jaxbm.predict, which gives logits",
        "loadmodel": "jaxbm.load",
        "savemodel": "jaxbm.save",
        **_ESTIMATORS,
        "jaxmlpclassifier": "jaxbm.estimators.JaxMLPClassifier",
        "jaxmlpregressor": "jaxbm.estimators.JaxMLPRegressor",
        "baggingclassifier": "jaxbm.fit_members, which takes bootstrap",
        "crossvalscore": "jaxbm.cross_validate",
        "crossvalpredict": "jaxbm.cross_validate",
        "traintestsplit": "jaxbm.table.split",
        "permutationimportance": "jaxbm.understand.permutation_importance",
        "partialdependence": "jaxbm.understand.partial_dependence",
        "integratedgradients": "jaxbm.understand.integrated_gradients",
        "privacyengine": "jaxbm.DPSGD",
        "vmap": "jax.vmap",
        "jit": "jax.jit",
    },
    "jaxbm.optimizers": {
        "rmsprop": _OPTAX,
        "lion": _OPTAX,
        "adagrad": _OPTAX,
        "nadam": _OPTAX,
    },
    "jaxbm.estimators": _ESTIMATORS,
    "jaxbm.table": {
        "traintestsplit": "jaxbm.table.split",
        "readcsv": "jaxbm.table.read",
        "readparquet": "jaxbm.table.read",
        "standardscaler": "jaxbm.table.prepare",
        "onehotencoder": "jaxbm.table.prepare",
        "columntransformer": "jaxbm.table.prepare",
    },
}
"""Of a package: what somebody may look for there, and where it is."""


def plain(name: object) -> str:
    """A name as the tables have it: small letters and digits alone."""
    return re.sub(r"[^a-z0-9]", "", str(name).lower())


def stem(name: object) -> str:
    """That without what libraries add to a function's name: `f1_score` is F1."""
    return re.sub(r"(score|loss|error|metric)$", "", plain(name))


def hint(package: str, name: str, known: Collection[str]) -> str:
    """The end of a message about a name that a package hasn't: what it is called here; empty where nobody knows.

    Example:
      >>> from jaxbm.core.elsewhere import hint
      >>> hint("jaxbm", "Sequential", ()), hint("jaxbm.losses", "MSELoss", ["squared_error"])
      ('; here it is jaxbm.MLP', '; here it is jaxbm.losses.squared_error')
    """
    place = PLACES.get(package, {}).get(plain(name))
    if place is None:
        place = next((f"{package}.{one}" for one in NAMES.get(plain(name), ()) if one in known), None)
    return "" if place is None else f"; here it is {place}"
