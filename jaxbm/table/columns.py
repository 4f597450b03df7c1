"""What is known about one column of a table."""

from __future__ import annotations

from dataclasses import dataclass, field

#: Kinds of columns that become features.
USED = ("number", "boolean", "category", "date", "time")
#: Kinds of columns that are left out, and how that is told.
LEFT_OUT = {
    "constant": "constant columns",
    "empty": "empty columns",
    "identifier": "identifiers, different in nearly every row or every few rows",
    "text": "free text",
    "dropped": "columns as asked",
}


@dataclass
class Column:
    """How one column of the table becomes features, or why it doesn't."""

    name: str
    kind: str
    """one of `USED` or of `LEFT_OUT`"""
    center: float = 0.0
    scale: float = 1.0
    fill: float = 0.0
    """what stands in for a missing number, date or time: the median of the training rows"""
    indicator: bool = False
    """whether a feature tells that the value was missing"""
    categories: list[str] = field(default_factory=list)
    others: int = 0
    """how many categories of the training rows have no feature of their own, for they are rare or too many"""
    pooled: list[str] = field(default_factory=list)
    """those: all of them, and unseen ones, are encoded alike"""
    known: list[str] = field(default_factory=list)
    """categories that have statistics of their own; of the rest, and unseen ones, there is one more"""
    statistics: list[list[float]] = field(default_factory=list)
    """smoothed target statistics of the known categories, and last of the rest"""
    outcomes: list[str] = field(default_factory=list)
    """what each of a category's statistics is about"""
    why: str = ""
    """what it was recognised by"""
    note: str = ""
    """what somebody should look at"""
    missing: float = 0.0
    """share of the training rows without a value"""
    decimal: str = "."
    """the decimal mark of numbers spelled as text"""
    marks: list[str] = field(default_factory=list)
    """spellings that stood among numbers, dates or booleans and were taken as missing, besides the usual ones"""
    formats: list[str] = field(default_factory=list)
    """how dates are spelled; `jaxbm.table.dates.DURATION` for durations, in seconds"""
    encoding: str = "standard"
    """of a number: one of `jaxbm.table.number_encodings.ENCODINGS`"""
    edges: list[float] = field(default_factory=list)
    """of a number encoded piecewise: the ends of its bins"""
    frequencies: list[float] = field(default_factory=list)
    phases: list[float] = field(default_factory=list)
    parts: list[tuple[str, float, float]] = field(default_factory=list)
    """of dates and times: each calendar feature's name, mean and deviation"""

    def __post_init__(self) -> None:
        self.parts = [(name, center, scale) for name, center, scale in self.parts]  # JSON knows lists alone

    @property
    def statistic_places(self) -> slice:
        """Where its target statistics stand among its features."""
        return slice(len(self.categories), len(self.categories) + len(self.outcomes))

    @property
    def feature_names(self) -> list[str]:
        """Names of its features, in order."""
        if self.kind not in USED:
            return []
        names = self._number_names()
        if self.kind == "category":
            names = [f"{self.name}={category}" for category in self.categories]
            names += [f"{self.name}: {outcome}" for outcome in self.outcomes]
        elif self.kind in ("date", "time"):
            names = [f"{self.name}: {part}" for part, _, _ in self.parts]
        return names + [f"{self.name} is missing"] * self.indicator

    def _number_names(self) -> list[str]:
        pairs = zip(self.edges[:-1], self.edges[1:], strict=True)
        bins = [f"{self.name} from {low:.4g} to {high:.4g}" for low, high in pairs]
        return [self.name, *bins, *(f"{self.name}: cosine {i + 1}" for i in range(len(self.frequencies)))]

    @property
    def became(self) -> str:
        """What it became, in words."""
        if self.kind not in USED:
            return "left out"
        features = len(self.feature_names) - self.indicator - len(self.outcomes)
        base = "a robustly scaled feature" if self.encoding in ("robust", "fourier") else "a standardised feature"
        what = {
            "number": base + (f" and {features - 1} {self.encoding} ones" if features > 1 else ""),
            "boolean": "a standardised feature",
            "category": f"{features} one-hot features" if features > 1 else "a one-hot feature",
        }.get(self.kind, f"{features} calendar features")
        if self.others:
            what += f", none for {self.others} rare ones"
        if self.outcomes:
            several = len(self.outcomes) > 1
            what += f", {len(self.outcomes) if several else 'a'} smoothed target statistic{'s' * several} of all"
        return what + (" and an indicator of missing values" if self.indicator else "")
