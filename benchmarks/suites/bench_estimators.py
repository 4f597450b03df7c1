"""scikit-learn's interface: an estimator with its defaults on three tables, and a search."""

from conftest import parametrised


@parametrised("estimator", "search")
def bench_estimators(measure, contest, contestant):
    measure(contest, contestant)
