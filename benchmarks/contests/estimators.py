"""scikit-learn's interface: an estimator with its defaults, and a grid search."""

from __future__ import annotations

from jaxbm.benchmarks.contest import Contest, Contestant, Target, twice
from jaxbm.benchmarks.contests.contestants import GRID
from jaxbm.benchmarks.tables import SHAPES, Estimator, Search

THEIRS = "MLPClassifier"
TABLES = {"digits": "digits", "breast_cancer": "breast cancer", "synthetic": "a table of 20,000 x 20"}


def estimators() -> list[Contest]:
    """An estimator on each table, and the search."""

    def entries(make: str, theirs: str, **fields: int) -> tuple[Contestant, ...]:
        made = f"peers.estimators:{make}"
        ours = twice(made, {"library": "jaxbm"}, requires=("sklearn",))
        needed = ("sklearn", "threadpoolctl", "joblib")
        return *ours, Contestant(theirs, made, {"library": "sklearn"}, needed, separate=True, **fields)  # type: ignore[arg-type]

    fits = [
        Contest(
            f"estimator-{table}",
            f"an estimator with scikit-learn's defaults on {TABLES[table]}",
            Estimator(table),
            entries("fit", THEIRS),
            ("targets", "full"),
            rounds=7,
            budget=6.0,
            curve_tolerance=None,  # where it stops by itself, the last epochs' losses are near 0
            targets=(
                Target(f"scikit-learn's defaults on {TABLES[table]}, against MLPClassifier", 15.0, against=THEIRS),
            ),
        )
        for table in SHAPES
    ]
    search = Contest(
        "search",
        "MembersSearchCV: 200 candidates x 5 folds on digits, 20 epochs, batches of 200, widths 16 to 100",
        Search(200),
        entries("search", GRID, members=16),
        ("targets", "full"),
        rounds=3,
        least=1,
        curve_tolerance=0.3,
        targets=(Target("MembersSearchCV, 200 candidates x 5 folds, against GridSearchCV", 30.0, against=GRID),),
    )
    return [*fits, search]
