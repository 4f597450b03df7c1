"""Wrong arguments of what explains a model: each is named, with what was expected and what came."""

import jax
import numpy as np
import pytest

import jaxbm
from jaxbm import understand

rng = np.random.default_rng(0)
X = rng.normal(size=(40, 3)).astype(np.float32)
Y = X[:, 0].astype(np.float32)
MODEL = jaxbm.MLP((3, 4, 1), activation="tanh")
PAIR = (MODEL, MODEL.init(jax.random.key(0)))
HOLE = np.where(np.arange(120).reshape(40, 3) == 7, np.nan, X)
NEGATIVE = np.where(np.arange(40) == 3, -1.0, 2.0)

CALLS = {
    "importance": (understand.permutation_importance, {"key": jax.random.key(1), "x": X, "y": Y, "metric": "r2"}),
    "dependence": (understand.partial_dependence, {"x": X, "columns": 0, "grid_points": 5}),
    "effects": (understand.accumulated_local_effects, {"x": X, "column": 0}),
    "gradients": (understand.integrated_gradients, {"x": X}),
}
EACH = [
    ("predictor", (MODEL, None), "params: expected a Dense for each layer"),
    ("x", "a", "x: expected numbers, got dtype <U1"),
    ("x", X[:, :2], r"x: expected shape \[n, 3\] for .*, got \[40, 2\]"),
]
CASES = [
    *((call, *case) for call in CALLS for case in EACH),
    ("importance", "x", HOLE, r"x: expected finite values, got nan at \[2, 1\]"),
    ("importance", "y", np.where(np.arange(40) == 2, np.nan, Y), r"y: expected finite values, got nan at \[2\]"),
    ("importance", "metric", 3, "metric: expected a name or a function, got 3"),
    ("importance", "columns", {}, "columns: expected at least one group of features, got none"),
    ("importance", "sample_weight", NEGATIVE, r"sample_weight: expected 0 to inf, got -1.0 at \[3\]"),
    ("dependence", "sample_weight", NEGATIVE, r"sample_weight: expected 0 to inf, got -1.0 at \[3\]"),
    ("dependence", "sample_weight", np.zeros(40), "sample_weight: expected a positive weight"),
    ("dependence", "grid", "a", "grid: expected numbers, got dtype <U1"),
    ("dependence", "grid", 1.0, "grid: expected values of 'x0', got 1.0"),
    ("dependence", "grid", [np.nan], "grid: expected finite values, got nan"),
    ("dependence", "grid", [[1, 2], [3]], "grid: expected an array, got lists of different lengths"),
    ("dependence", "percentiles", None, "percentiles: expected "),
    ("dependence", "percentiles", "a", "percentiles: expected numbers"),
    ("dependence", "individual", "no", "individual: expected True or False, got 'no'"),
    ("gradients", "x", HOLE, r"x: expected finite values, got nan at \[2, 1\]"),
    ("gradients", "baseline", "a", "baseline: expected numbers, got dtype <U1"),
    ("gradients", "baseline", np.full(3, np.nan), "baseline: expected finite values"),
    ("gradients", "tolerance", None, "tolerance: expected "),
    ("gradients", "tolerance", -1, "tolerance: expected 0 to inf, got -1"),
]


@pytest.mark.parametrize(("call", "name", "value", "match"), CASES)
def test_a_wrong_argument_is_named(call, name, value, match):
    function, options = CALLS[call]
    with pytest.raises((ValueError, TypeError), match=match):
        function(**{"predictor": PAIR, **options, name: value})


def test_values_for_a_pair_of_columns_come_in_two_lists():
    with pytest.raises(TypeError, match="grid: expected values for each of 2 columns, got 'ab'"):
        understand.partial_dependence(PAIR, X, (0, 1), grid="ab")
