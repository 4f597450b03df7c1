"""scikit-learn's checks of estimators."""

import jax
import numpy as np
import pytest
from sklearn.utils import estimator_checks

from jaxbm.estimators import JaxMLPClassifier, JaxMLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(scope="module", autouse=True)
def quickly_compiled():
    """Nearly every check has rows of another shape, so that compiling is most of what they cost."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


@pytest.mark.slow
@estimator_checks.parametrize_with_checks([JaxMLPClassifier(max_iter=100), JaxMLPRegressor(max_iter=100)])
def test_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("options", [{"max_iter": 100}, {"members": 2, "solver": "sgd"}, {"solver": "lbfgs"}])
@pytest.mark.parametrize("kind", [JaxMLPClassifier, JaxMLPRegressor])
def test_weights_count_as_repetitions_and_the_order_of_rows_does_not_count(kind, options):
    for data in ("dense", "sparse"):
        check = getattr(estimator_checks, f"check_sample_weight_equivalence_on_{data}_data")
        check(kind.__name__, kind(**options))


def test_repeated_rows_of_several_quantities_count_as_often():
    x, y = np.linspace(-1, 1, 12).reshape(6, 2), np.linspace(0, 2, 12).reshape(6, 2)
    twice = np.asarray([0, 1, 1, 2, 3, 4, 5, 5])
    options = {"hidden_layer_sizes": 4, "max_iter": 20, "random_state": 0}
    written = JaxMLPRegressor(**options).fit(x[twice], y[twice])
    counted = JaxMLPRegressor(**options).fit(x, y, np.bincount(twice))
    np.testing.assert_array_equal(written.coefs_[0], counted.coefs_[0])
    np.testing.assert_allclose(written.loss_curve_, counted.loss_curve_, rtol=1e-6)
    assert (written.t_, counted.t_) == (160, 120)
