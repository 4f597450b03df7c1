"""Pieces of a page: escaped text, tables, pictures, sections."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

_names = itertools.count()


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]], *, sortable: bool = False, label: str = "") -> str:
    """A table; numbers stand to the right, and its lines can be sorted by a click on a heading."""
    numeric = [bool(rows) and all(_is_number(row[i]) for row in rows) for i in range(len(columns))]
    kinds = ['class="number"' if is_number else "" for is_number in numeric]
    head = "".join(f'<th scope="col" {k}>{_heading(c, sortable)}</th>' for k, c in zip(kinds, columns, strict=True))
    body = "".join(
        "<tr>" + "".join(f"<td {k}{_sort_key(v)}>{cell(v)}</td>" for k, v in zip(kinds, row, strict=True)) + "</tr>"
        for row in rows
    )
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(label or "table")}">'
        f"<table{' class=sortable' if sortable else ''}><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table></div>"
    )


def _heading(text: str, sortable: bool) -> str:
    return f'<button type="button">{escape(text)}</button>' if sortable else escape(text)


def _sort_key(value: Any) -> str:
    return f' data-value="{float(value)!r}"' if _is_number(value) else ""


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def cell(value: Any) -> str:
    """A value as text of the page."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return escape(number(value))
    return f"{value:,}" if isinstance(value, int) else escape(str(value))


def number(value: float) -> str:
    """About four digits; a dash for what is not a number."""
    if not math.isfinite(value):
        return "\N{EN DASH}"
    if value and not 1e-3 <= abs(value) < 1e5:
        return f"{value:.3g}"
    return f"{value:.4g}" if abs(value) >= 10 else f"{value:.4f}"


def seconds(value: float) -> str:
    """A duration with its unit."""
    for limit, unit, factor in ((1e-3, "µs", 1e6), (1.0, "ms", 1e3)):
        if value < limit:
            return f"{value * factor:.3g} {unit}"
    return f"{value:.3g} s" if value < 120 else f"{value / 60:.3g} min"


def cards(values: Mapping[str, Any]) -> str:
    """The few numbers that matter most."""
    inner = "".join(f"<div><dt>{escape(k)}</dt><dd>{cell(v)}</dd></div>" for k, v in values.items())
    return f'<dl class="cards">{inner}</dl>'


def pictures(found: Sequence[tuple[str, str]]) -> str:
    """Pictures with their titles, beside each other where there is room."""
    inner = "".join(f"<figure><figcaption>{escape(t)}</figcaption>{svg}</figure>" for t, svg in found)
    return f'<div class="pictures">{inner}</div>'


def section(title: str, *parts: str) -> str:
    """A section with its heading; nothing where there are no parts."""
    inner = "".join(part for part in parts if part)
    return f'<section><h2 id="s{next(_names)}">{escape(title)}</h2>{inner}</section>' if inner else ""


def note(text: str) -> str:
    """A line of explanation."""
    return f"<p>{escape(text)}</p>"


def lines(texts: Sequence[str]) -> str:
    """A list; an arrow is one character, which no line's end divides."""
    items = (escape(t).replace("-&gt;", "\N{RIGHTWARDS ARROW}") for t in texts)
    return "<ul>" + "".join(f"<li>{item}</li>" for item in items) + "</ul>"


def pre(text: str, *, wrapped: bool = False) -> str:
    """Text as it stands; `wrapped` between words where the page ends, but not within an option such as `--out`."""
    if not wrapped:
        return f'<pre tabindex="0">{escape(text)}</pre>'
    words = " ".join(f"<span>{escape(word)}</span>" for word in text.split(" "))
    return f'<pre tabindex="0" class="wrapped">{words}</pre>'


def confusion(counts: Any, classes: Sequence[str]) -> str:
    """A confusion matrix, each cell shaded by its share of the row."""
    total = counts.sum(axis=1, keepdims=True)
    body = ""
    for i, name in enumerate(classes):
        cells = ""
        for j, count in enumerate(counts[i].tolist()):
            share = count / max(float(total[i, 0]), 1.0)
            kind = "right" if i == j else "wrong"
            told = f"<small>{share:.0%}</small>" if count else ""
            cells += f'<td class="number {kind}" style="--share:{share:.3f}">{int(count):,}{told}</td>'
        body += f'<tr><th scope="row">{escape(name)}</th>{cells}</tr>'
    head = "".join(f'<th scope="col" class="number">{escape(c)}</th>' for c in classes)
    return (
        '<div class="scroll" tabindex="0" role="region" aria-label="confusion matrix"><table class="confusion">'
        f"<caption>Rows: what is; columns: what was predicted</caption><thead><tr><td></td>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table></div>"
    )


def page(title: str, subtitle: str, body: str) -> str:
    """The whole file: style and script stand inside, nothing is loaded."""
    from importlib.resources import files

    style, script = ((files("jaxbm.report") / "static" / name).read_text() for name in ("report.css", "report.js"))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>{escape(title)}</title>
<style>{style}</style>
</head>
<body>
<header><h1>{escape(title)}</h1><p>{escape(subtitle)}</p></header>
<main>
{body}
</main>
<script>{script}</script>
</body>
</html>
"""
