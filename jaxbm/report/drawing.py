"""Matplotlib's pictures as SVG inside a page: in the page's colours, light or dark, and in its font."""

from __future__ import annotations

import functools
import io
import itertools
import re
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Colours that stand for variables of the page's style sheet: no picture has them for any other reason.
INK, FAINT, PAPER = "#010203", "#010204", "#010205"
SERIES = tuple(f"#0103{i:02d}" for i in range(10))
VARIABLES = {INK: "--ink", FAINT: "--faint", PAPER: "--paper"} | {c: f"--series-{i}" for i, c in enumerate(SERIES)}
FIRST, SECOND = SERIES[:2]
#: Inches: shown at the width of a phone, its letters have the size of the text beside it.
WIDE, NARROW = (4.7, 2.7), (3.9, 2.9)
STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "svg.hashsalt": "jaxbm",
    "font.family": ["DejaVu Sans"],
    "font.size": 10,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlecolor": INK,
    "axes.titlesize": 10,
    "text.color": INK,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "lines.linewidth": 1.6,
}
LETTER, LINE = 0.075, 0.19
"""Inches that a letter and a line take."""
MOST_INSIDE = 4
"""Lines of a legend that has room beside the curves."""
PIXELS = 112
"""A picture's inch at its largest."""
LINKS = 'xmlns:xlink="http://www.w3.org/1999/xlink"'
_numbers = itertools.count()


def warm_up() -> threading.Thread:
    """Import matplotlib beside what the caller does, such as compiling, which leaves Python free for it."""
    thread = threading.Thread(target=_import, daemon=True)
    thread.start()
    return thread


def _import() -> None:
    try:
        with _without_property_tables():
            import matplotlib.backends.backend_svg
            import matplotlib.figure
            import matplotlib.ticker  # noqa: F401
    except ModuleNotFoundError:
        pass  # told when the report is written


@contextmanager
def _without_property_tables() -> Iterator[None]:
    """A third of matplotlib's import is tables of properties for its docstrings, which no command shows."""
    import matplotlib.artist

    made = matplotlib.artist.kwdoc
    matplotlib.artist.kwdoc = lambda artist: ""
    try:
        yield
    finally:
        matplotlib.artist.kwdoc = made


def drawn(label: str, size: tuple[float, float] = NARROW) -> Callable[[Callable[..., Any]], Callable[..., str]]:
    """Makes a function that draws on axes one that returns the picture as SVG, in the page's style; what the function
    returns, if anything, is the picture's size."""

    def decorate(draw: Callable[..., Any]) -> Callable[..., str]:
        @functools.wraps(draw)
        def made(*arguments: Any, **options: Any) -> str:
            from matplotlib import rc_context
            from matplotlib.figure import Figure

            style: Any = STYLE
            with rc_context(style), warnings.catch_warnings():
                # The page's fonts write the words, not the one that matplotlib measures them with.
                warnings.filterwarnings("ignore", "Glyph .* missing from font")
                figure = Figure(figsize=size)
                other = draw(figure.subplots(), *arguments, **options)
                if other is not None:
                    figure.set_size_inches(*other)
                _fit(figure)
                return svg(figure, label)

        return made

    return decorate


def _fit(made: Figure) -> None:
    """Margins by the length of the words in them: a tenth of the time that matplotlib's own layout takes."""
    (axes,) = made.axes
    _name_factors(axes)
    width, height = made.get_size_inches()
    words = [text.get_text() for text in axes.get_yticklabels()]
    left = 0.25 + LETTER * max([len(w) for w in words], default=0) if len(axes.get_yticks()) else 0.1
    left += LINE if axes.get_ylabel() else 0
    lines = max([text.get_text().count("\n") for text in axes.get_xticklabels()], default=0)
    bottom = 0.3 + LINE * (lines + _lines_below(made)) + (LINE if axes.get_xlabel() else 0)
    made.subplots_adjust(left / width, bottom / height, 1 - 0.14 / width, 1 - 0.1 / height)
    _shorten_labels(axes, width - left - 0.14, width - 0.2, height - bottom)


def _name_factors(axes: Axes) -> None:
    """What all of an axis' numbers have in common, such as 1e7, beside its name: over the picture it has no room."""
    for axis in (axes.xaxis, axes.yaxis):
        axis.get_ticklabels()  # writes them
        if factor := axis.get_major_formatter().get_offset():
            axis.set_label_text(f"{axis.get_label_text()} ({factor})".strip())
            axis.offsetText.set_visible(False)


def _shorten_labels(axes: Axes, beside: float, whole: float, upwards: float) -> None:
    """What the axes say about themselves, no longer than the picture: inches along its axis, of it all, upwards."""
    axes.set_ylabel(short(axes.get_ylabel(), int(upwards / LETTER)))
    axes.set_xlabel(short(axes.get_xlabel(), int(whole / LETTER)))
    if len(axes.get_xlabel()) * LETTER > beside:
        axes.xaxis.label.set(x=1, horizontalalignment="right")


def short(text: str, most: int = 30) -> str:
    """At most so many letters: beginning and end, which tell apart what a spreadsheet's columns are called.

    Example:
      >>> from jaxbm.report.drawing import short
      >>> short("width of the left wheel", 12)
      'width of…eel'
    """
    if len(text) <= most:
        return text
    end = (most - 1) // 3
    return f"{text[: most - 1 - end]}…{text[len(text) - end :]}"


def svg(made: Figure, label: str) -> str:
    """The figure as an SVG element that can stand in a page beside others."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    out = io.StringIO()
    FigureCanvasSVG(made).print_svg(out, metadata={"Date": None})
    text = out.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    number = next(_numbers)
    text = re.sub(
        r'(\bid="|url\(#|xlink:href="#)', rf"\g<1>f{number}-", text
    )  # names are the page's, not the picture's
    text = re.sub(r"font: (?:[a-z0-9]+ )*?([0-9.]+px) [^;\"]*", r"font: \1 var(--font)", text)
    for colour, variable in VARIABLES.items():
        text = text.replace(colour, f"var({variable})")
    box = re.search(r'viewBox="[^"]*"', text)
    widest = f"max-width: {made.get_figwidth() * PIXELS:.0f}px"  # so that letters are as large in every picture
    head = f'<svg {box.group() if box else ""} role="img" aria-label="{label}" style="{widest}" {LINKS}>'
    return head + text[text.index(">") + 1 :].strip()


def tidy_axes(axes: Axes, **labels: Any) -> None:
    """Labels, and no more than a few ticks."""
    from matplotlib.ticker import MaxNLocator

    axes.set(**labels)
    for axis in (axes.xaxis, axes.yaxis):
        locator = axis.get_major_locator()
        if isinstance(locator, MaxNLocator):  # neither categories nor a logarithmic scale
            locator.set_params(nbins=5)


def whole_numbers(axis: Any) -> None:
    """Ticks at whole numbers alone, and be it at one of them."""
    axis.get_major_locator().set_params(integer=True, min_n_ticks=1)


def logarithmic(axes: Axes) -> None:
    """A logarithmic axis upwards with plain numbers: matplotlib would write powers in its own markup."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def legend(axes: Axes, **options: Any) -> None:
    """A legend where there is something to tell apart."""
    if len(axes.get_legend_handles_labels()[0]) > 1:
        axes.legend(fontsize=9, handlelength=1.4, borderaxespad=0.2, **options)


def legend_of_many(axes: Axes, title: str, loc: Any, size: tuple[float, float] = NARROW) -> tuple[float, float]:
    """A legend in the picture, or below it where it would hide what it explains; the picture's size."""
    handles, labels = axes.get_legend_handles_labels()
    small: Any = {"title": title, "fontsize": 9, "title_fontsize": 9, "handlelength": 1.4}
    if len(labels) <= MOST_INSIDE:
        axes.legend(loc=loc, **small)
        return size
    figure: Any = axes.get_figure()
    columns = 2 if max(map(len, labels)) <= 22 else 1
    figure.legend(handles, labels, loc="lower left", ncols=columns, borderaxespad=0, columnspacing=1, **small)
    return size[0], size[1] + LINE * _lines_below(figure)


def _lines_below(made: Any) -> int:
    """Lines that a legend below the picture takes, its title among them."""
    return sum(1 + -(-len(below.get_texts()) // below._ncols) for below in made.legends)
