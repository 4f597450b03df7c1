"""What other libraries call something that has another name, or another place, here."""

from __future__ import annotations

import re
from collections.abc import Collection
from importlib import import_module

_MEANT = {
    "squared_error": "mse mseloss",
    "squared_error mse": "meansquarederror",
    "rmse": "rootmeansquarederror",
    "absolute_error": "mae l1loss l1",
    "absolute_error mae": "meanabsoluteerror",
    "huber_loss": "smoothl1loss huber smoothl1",
    "pinball_loss": "quantileloss quantile",
    "sigmoid_binary_cross_entropy": "bce bceloss bcewithlogitsloss",
    "sigmoid_binary_cross_entropy log_loss": "binarycrossentropy logloss",
    "softmax_cross_entropy_with_integer_labels sigmoid_binary_cross_entropy log_loss": "crossentropy",
    "softmax_cross_entropy_with_integer_labels sigmoid_binary_cross_entropy": "crossentropyloss",
    "softmax_cross_entropy_with_integer_labels": "nllloss",
    "softmax_cross_entropy_with_integer_labels log_loss": "sparsecategoricalcrossentropy",
    "softmax_cross_entropy log_loss": "categoricalcrossentropy",
    "sigmoid_focal_loss": "binaryfocalcrossentropy focal",
    "roc_auc": "auc auroc rocaucscore",
    "r2": "r2score",
    "average_precision": "prauc aucpr auprc ap",
    "recall": "sensitivity truepositiverate",
    "precision": "ppv",
    "accuracy": "binaryaccuracy categoricalaccuracy sparsecategoricalaccuracy",
    "calibration_error": "ece expectedcalibrationerror",
    "pinball": "d2pinballscore",
    "concordance_index": "cindex",
    "poisson_deviance": "poissonloss poissonnllloss",
    "gamma_deviance": "gammaloss",
    "tweedie_deviance": "tweedieloss",
    "ordinal_cross_entropy": "ordinalloss",
    "cox_loss": "coxph",
    "gaussian_crps": "crps",
    "triplet_hard_loss": "tripletmarginloss",
    "brier_score": "brierscoreloss",
    "learning_rate_init learning_rate optimizer": "lr",
    "learning_rate optimizer": "learningrate",
    "b1": "betas beta1",
    "b2": "beta2",
    "eps": "epsilon",
    "weight_decay": "wd",
    "weight_decay l2": "weightdecay",
    "l2": "alpha kernelregularizer",
    "clip_norm": "clipvalue maxgradnorm",
    "epochs": "maxiter",
    "max_iter": "epochs",
    "epochs max_iter": "nepochs numepochs maxepochs",
    "patience": "earlystopping",
    "members": "nestimators nmembers ensemblesize",
    "trials": "ntrials niter",
    "folds": "cv nsplits kfold",
    "repeats": "nrepeats",
    "metric metrics": "scoring",
    "columns": "features",
    "grid_points": "gridresolution",
    "seed key": "randomstate",
    "key random_state": "seed",
    "sep": "delimiter",
    "target": "label",
    "target y": "labels",
    "labels targets": "ytrue ytest target",
    "logits predictions scores probabilities outputs log_means means": "ypred",
    "scores probabilities": "yscore",
    "probabilities": "yprob yproba",
    "logits predictions scores outputs log_means": "input",
    "weights sample_weight": "sampleweight",
    "delta": "beta",
    "sizes hidden_layer_sizes": "hidden",
    "hidden_layer_sizes hidden sizes": "hiddenlayers hiddensizes hiddendims layers layersizes units",
    "hidden sizes": "hiddenlayersizes",
    "use_bias": "bias",
    "weight_init": "kernelinitializer kernelinit",
    "identity": "softmax linear none",
    "sigmoid": "logistic",
    "kl_divergence": "klloss kldiv kldivloss",
    "mape": "meanabsolutepercentageerror",
}
"""By what it may be here, in the order of likelihood: what others call it, which spelling wouldn't tell."""
_NOTHING = (
    "nrows squaredhinge softmarginloss meansquaredlogarithmicerror msle medianabsoluteerror specificity "
    "truenegativerate jaccard jaccardscore jaccardindex iou maxerror hammingloss hammingdistance "
    "explainedvariance topk topkaccuracy explainedvariancescore topkaccuracyscore matthewscorrcoef mcc pearson "
    "pearsoncorrcoef spearman spearmancorrcoef kendall kendallrankcorrcoef ndcg zerooneloss fbetascore "
    "cohenkappascore ctcloss ntxent diceloss"
)
"""There is nothing of their meaning here, though there may be of their spelling."""

NAMES: dict[str, tuple[str, ...]] = {
    **{other: tuple(ours.split()) for ours, others in _MEANT.items() for other in others.split()},
    **dict.fromkeys(_NOTHING.split(), ()),
    **dict.fromkeys(("verbose", "callbacks"), ("progress", "")),
}
"""In small letters, and what it may be here; "" where nothing else is like it."""

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
        "earlystopping": "jaxbm.fit, which takes patience",
        "callbacks": "jaxbm.fit, which takes patience and progress",
        "dropout": "jaxbm.fit, which takes dropout",
        "trainstate": "what jaxbm.fit returns",
        "tensor": "jax.numpy.asarray",
        "manualseed": "jax.random.key, given to each call",
        "random": "jax.random",
        "utils": "jax, NumPy and jaxbm.table",
        "datasets": "jaxbm.table.demo",
        "preprocessing": "jaxbm.table.prepare",
        "batchnorm": "jaxbm.FunctionModel, which takes other libraries' layers",
        "embedding": "jaxbm.FunctionModel, which takes other libraries' layers",
        "conv2d": "jaxbm.FunctionModel, which takes other libraries' layers",
        "lstm": "jaxbm.FunctionModel, which takes other libraries' layers",
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
        "modelcheckpoint": "jaxbm.fit_members, which takes folder",
        "kfold": "jaxbm.cross_validate, which takes folds",
        "stratifiedkfold": "jaxbm.cross_validate, which takes folds",
        "gridsearch": "jaxbm.sweep",
        "tuner": "jaxbm.sweep",
        "xavieruniform": "weight_init='glorot_uniform' of jaxbm.MLP",
        "xaviernormal": "weight_init='glorot_normal' of jaxbm.MLP",
        "glorotuniform": "weight_init='glorot_uniform' of jaxbm.MLP",
        "glorotnormal": "weight_init='glorot_normal' of jaxbm.MLP",
        "henormal": "weight_init='he_normal' of jaxbm.MLP",
        "heuniform": "weight_init='he_uniform' of jaxbm.MLP",
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
CALLS = {"Dense": "it holds one layer's parameters, and a network is jaxbm.MLP((20, 64, 1), activation='relu')"}
"""By name of what is called with arguments that it hasn't: what was wanted."""
PARTS = ("losses", "metrics", "optimizers", "table", "understand", "augment")
"""Where a name may be that the library itself hasn't."""
OTHERS = ("jax.nn", "optax", "jax")
"""Where it may be else."""

_SCORE = "jaxbm.evaluate(model, params, x, y, loss=...)"
_PREDICT = "jaxbm.predict(model, params, x)"
_PARAMS = "params, which jaxbm.fit returns and the model doesn't hold"
_OF_RESULT = {
    "predict": "jaxbm.predict(model, result.params, x)",
    "predictproba": "jax.nn.sigmoid or softmax of jaxbm.predict(model, result.params, x)",
    "evaluate": "jaxbm.evaluate(model, result.params, x, y, loss=...)",
    "score": "jaxbm.evaluate(model, result.params, x, y, loss=...)",
    "save": "jaxbm.save(folder, model, result.params)",
    "model": "what jaxbm.fit was given",
    "loss": 'history["loss"]',
    "valloss": 'history["val_loss"]',
    "losscurve": 'history["loss"]',
    "weights": "params",
    "getweights": "params",
    "statedict": "params",
    "parameters": "params",
    "epoch": "epochs_run",
}
_PROBABILITIES = "probabilities(x)"
OBJECTS: dict[str, dict[str, str]] = {
    "model": {
        "compile": "jaxbm.fit, which takes loss and optimizer",
        "fit": "jaxbm.fit(key, model, x, y, loss=...)",
        "predict": _PREDICT,
        "predictproba": _PREDICT + ", which gives logits",
        "evaluate": _SCORE,
        "score": _SCORE,
        "save": "jaxbm.save(folder, model, params)",
        "savepretrained": "jaxbm.save(folder, model, params)",
        "loadweights": "jaxbm.load(folder)",
        "loadstatedict": "jaxbm.load(folder)",
        "countparams": "n_params",
        "forward": "apply(params, x)",
        "train": "jaxbm.fit, which takes dropout; predictions have none",
        "eval": "jaxbm.predict, which has no dropout",
        "to": "jax.device_put(params, device)",
        "cuda": "jax.device_put(params, device)",
        "cpu": "jax.device_put(params, device)",
        **dict.fromkeys(("weights", "getweights", "setweights", "variables", "trainablevariables"), _PARAMS),
        **dict.fromkeys(("params", "parameters", "namedparameters", "statedict"), _PARAMS),
        "layers": "summary(), or sizes",
        "add": "MLP(sizes), with all layers at once",
        "zerograd": "jax.grad, which returns gradients",
    },
    "result": _OF_RESULT,
    "members": {
        **_OF_RESULT,
        "predict": "jaxbm.Ensemble.of(result).probabilities(x), or mean(x)",
        "predictproba": "jaxbm.Ensemble.of(result).probabilities(x)",
        "save": "jaxbm.save_members(folder, jaxbm.Ensemble.of(result))",
        "bestmember": "best",
        "bestmodel": "member(result.best)",
    },
    "ensemble": {
        "predict": "probabilities(x), vote(x) or mean(x)",
        "predictproba": _PROBABILITIES,
        "std": "spread(x)",
        "uncertainty": "spread(x)",
        "save": "jaxbm.save_members(folder, ensemble)",
        "fit": "jaxbm.fit_members",
    },
    "table": {
        "predictproba": _PROBABILITIES,
        "predictprobabilities": _PROBABILITIES,
        "score": "evaluate(frame)",
        "featureimportances": "jaxbm.understand.permutation_importance(key, model, frame)",
        "classes": "classes",
        "savemodel": "save(folder)",
        "history": "result.history",
        "transform": "preparation.features(frame)",
        "coef": "params",
        "coefs": "params",
        "plot": "report(path)",
    },
}
"""Of an object: what somebody may ask it for, and where that is."""


def plain(name: object) -> str:
    """A name as the tables have it: small letters and digits alone."""
    return re.sub(r"[^a-z0-9]", "", str(name).lower())


def stem(name: object) -> str:
    """That without what libraries add to a function's name: `f1_score` is F1."""
    return re.sub(r"(score|loss|error|metric)$", "", plain(name))


def hint(package: str, name: str, known: Collection[str]) -> str:
    """The end of a message about a name that a package hasn't: what it is called here; empty where nobody knows.

    What the whole library lacks is looked for in its packages, then in Optax and JAX, whose functions work here.

    Example:
      >>> from jaxbm.core.elsewhere import hint
      >>> hint("jaxbm", "Sequential", ()), hint("jaxbm.losses", "MSELoss", ["squared_error"])
      ('; here it is jaxbm.MLP', '; here it is jaxbm.losses.squared_error')
      >>> hint("jaxbm", "f1_score", ()), hint("jaxbm", "cosine_decay_schedule", ())
      ('; here it is jaxbm.metrics.f1', '; it is optax.cosine_decay_schedule, which works here')
    """
    place = _place(package, name, known)
    if place is None and package == "jaxbm":
        parts = {part: dir(import_module(f"jaxbm.{part}")) for part in PARTS}
        exact = (f"jaxbm.{part}.{name}" for part, names in parts.items() if name in names)
        place = next(exact, None) or next(
            (found for part, names in parts.items() if (found := _place(f"jaxbm.{part}", name, names))), None
        )
    if place is not None:
        return f"; here it is {place}"
    others = OTHERS if package == "jaxbm" else ()
    there = next((other for other in others if hasattr(import_module(other), name)), None)
    return "" if there is None else f"; it is {there}.{name}, which works here"


def foreign(thing: object, package: str, known: Collection[str]) -> str | None:
    """What a class or function of a library that doesn't compute with JAX is called, and here; None for any other."""
    kind = thing if hasattr(thing, "__name__") else type(thing)
    library = str(getattr(kind, "__module__", "")).split(".")[0]
    if library not in ("torch", "keras", "tensorflow"):
        return None
    name = str(getattr(kind, "__name__", ""))
    return f"{library}'s {name}{hint(package, name, known)}"


def _place(package: str, name: str, known: Collection[str]) -> str | None:
    """The full name of what a package has for a name, as far as somebody wrote that down or the names tell."""
    meant = (*NAMES.get(plain(name), ()), *(one for one in known if stem(one) == stem(name)))
    found = next((one for one in meant if one in known and not one.startswith("_")), None)
    return PLACES.get(package, {}).get(plain(name)) or (found and f"{package}.{found}")
