"""scikit-learn's checks of estimators."""

import jax
import pytest
from sklearn.utils import estimator_checks

from jaxbm.estimators import JaxMLPClassifier, JaxMLPRegressor

# Both compare, to 1e-7, models of weighted rows with models of repeated rows. scikit-learn makes an exception for its
# own MLP and runs them with solver="lbfgs" or a loose tolerance instead; so do we, below.
WEIGHTS = {
    f"check_sample_weight_equivalence_on_{data}_data": "mini-batches are summed in float32, in another order"
    for data in ("dense", "sparse")
}
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(scope="module", autouse=True)
def quickly_compiled():
    """Nearly every check has rows of another shape, so that compiling is most of what they cost."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


@pytest.mark.slow
@estimator_checks.parametrize_with_checks(
    [JaxMLPClassifier(max_iter=100), JaxMLPRegressor(max_iter=100)], expected_failed_checks=lambda _: WEIGHTS
)
def test_checks(estimator, check):
    if check.func.__name__ in WEIGHTS:
        pytest.xfail(WEIGHTS[check.func.__name__])  # it need not be run to fail
    check(estimator)


@pytest.mark.parametrize("check", sorted(WEIGHTS))
@pytest.mark.parametrize("kind", [JaxMLPClassifier, JaxMLPRegressor])
def test_weights_count_as_repetitions_where_batches_and_float32_play_no_part(kind, check):
    getattr(estimator_checks, check)(kind.__name__, kind(solver="lbfgs"))
