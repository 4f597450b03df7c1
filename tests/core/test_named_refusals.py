"""Arguments that are of no use, of functions beside `fit`: each is named."""

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

import jaxbm
from jaxbm import kernels, table

MODEL = jaxbm.MLP((3, 1))
PARAMS = MODEL.init(jax.random.key(0))
X = np.ones((12, 3), np.float32)
FRAME = pd.DataFrame({"a": np.arange(12.0), "t": [0, 1] * 6})
ONE = jnp.asarray(3)  # its class has a way to iterate, an array of no axes has not
SEVERAL = np.asarray(["a", "b"])


def fit(**options):
    return jaxbm.fit(jax.random.key(0), MODEL, X, X[:, 0], **{"loss": "squared_error", **options})


CASES = [
    (lambda: jaxbm.MLP(ONE), r"sizes: expected widths .*, got int32 of shape \[\]"),
    (lambda: jaxbm.space.Choice(ONE), "values: expected some to choose from, got int32"),
    (lambda: fit(metrics=ONE), "metrics: expected names or functions, got int32"),
    (lambda: fit(params="a"), "params: expected numbers for it, got 'a'"),
    (lambda: fit(opt_state=object()), "opt_state: expected numbers for it, got object"),
    (lambda: kernels.apply(None, PARAMS, X), "model: expected one such as jaxbm.MLP, got NoneType"),
    (lambda: kernels.apply(MODEL, "a", X), "params: expected a Dense for each layer"),
    (lambda: kernels.apply(MODEL, PARAMS, X[:, :2]), r"x: expected shape \[n, 3\]"),
    (lambda: kernels.apply(MODEL, PARAMS, "a"), "x: expected numbers"),
    (
        lambda: kernels.apply(MODEL, PARAMS, X, implementation=SEVERAL),
        "implementation: expected None, 'cpu' or 'xla'",
    ),
    (lambda: kernels.explain("a", loss="squared_error"), "model: expected one such as jaxbm.MLP, got str"),
    (
        lambda: kernels.explain(MODEL, loss="squared_error", validation_split=SEVERAL),
        "validation_split: expected one number",
    ),
    (lambda: table.split(FRAME, []), r"target: unknown name list \(known: a, t\)"),
    (lambda: table.split(FRAME, "t", test_size="a"), "test_size: expected a number, got 'a'"),
    (lambda: table.split(FRAME, "t", task=SEVERAL), r"task: unknown name <U1 of shape \[2\]"),
    (lambda: table.prepare(FRAME, "t", fit_rows="a"), "fit_rows: expected an integer, got 'a'"),
    (lambda: table.prepare(FRAME, "t", fit_rows=0), "fit_rows: expected at least 1, got 0"),
    (lambda: table.prepare(FRAME, "t", types="a"), "types: expected {column: kind}, got 'a'"),
    (lambda: table.prepare(FRAME, "t", steps=3), "steps: expected lines of text, got 3"),
    (lambda: table.prepare(FRAME, "t", keep=None), "keep: expected one text or several, got None"),
    (lambda: table.prepare(FRAME, "t", missing=ONE), "missing: expected one text or several, got int32"),
    (lambda: table.prepare(FRAME, "t", numbers=3), "numbers: expected an encoding or {column: encoding}, got 3"),
    (lambda: table.prepare(FRAME, "t", categories=SEVERAL), "categories: unknown name <U1"),
    (lambda: jaxbm.tabular.fit(FRAME, "t", drop=3), "drop: expected one text or several, got 3"),
]


@pytest.mark.parametrize(("call", "match"), CASES)
def test_what_is_of_no_use_is_named(call, match):
    with pytest.raises((ValueError, TypeError), match=match):
        call()


def test_bounds_of_an_ensemble_are_two():
    params = jax.tree.map(lambda leaf: leaf[None], PARAMS)
    with pytest.raises(ValueError, match=r"bounds: expected the lower and the upper one, got \[3.0\]"):
        jaxbm.Ensemble(MODEL, params, bounds=3.0)
