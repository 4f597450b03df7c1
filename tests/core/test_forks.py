"""What a process can do that was forked after JAX ran: it predicts, and says so where JAX would wait for ever."""

import os
import signal
import warnings

import numpy as np
import pytest

import jaxbm
from jaxbm.core import forks
from jaxbm.estimators import JaxMLPClassifier
from jaxbm.kernels.native import library

X = np.random.default_rng(0).normal(size=(100, 4))
Y = (X[:, 0] > 0).astype(int)
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")


def _in_a_fork(function):
    """What it returned or raised, as text; killed after some seconds."""
    read, write = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # JAX warns of just that
        child = os.fork()
    if child == 0:
        signal.alarm(20)
        try:
            told = str(function())
        except BaseException as error:
            told = f"{type(error).__name__}: {error}"
        os.write(write, told.encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(write)
    with os.fdopen(read) as pipe:
        return pipe.read()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_forked_processes_predict_but_do_not_wait_for_threads_that_they_lack():
    model = JaxMLPClassifier((5,), max_iter=2, random_state=0).fit(X, Y)
    params = tuple(
        jaxbm.models.mlp.Dense(w.astype(np.float32), b.astype(np.float32))
        for w, b in zip(model.coefs_, model.intercepts_, strict=True)
    )
    assert not forks.is_forked()
    for train in (model.fit, model.partial_fit, JaxMLPClassifier(solver="lbfgs").fit):
        if train != model.partial_fit or not hasattr(library(), "jaxbm_direct_call"):
            assert _in_a_fork(lambda train=train: train(X, Y)).startswith("RuntimeError: this process was forked")
    if hasattr(library(), "jaxbm_direct_call"):
        expected = str(model.predict(X))
        assert _in_a_fork(lambda: model.predict(X)) == expected
        assert _in_a_fork(lambda: jaxbm.predict(model.model_, params, X.astype(np.float32)).shape) == "(100, 1)"
