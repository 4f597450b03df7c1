"""Every Python block of the documentation runs, each page's one after the other as its reader would type them."""

import importlib.util
import inspect
import itertools
import pathlib
import pkgutil
import re
import textwrap
import warnings

import pytest

import jaxbm

DOCS = pathlib.Path(__file__).parents[2] / "docs"
CONFIGURATION = (DOCS.parent / "mkdocs.yml").read_text()
#: A block, and before it what it needs beside this library, if anything: `<!-- needs: torch -->`.
BLOCK = re.compile(r"(?:<!-- needs: (\w+) -->\s*)?^([ ]*)```python\n(.*?)^\2```", re.DOTALL | re.MULTILINE)
PAGES = {str(path.relative_to(DOCS)): path.read_text() for path in sorted(DOCS.rglob("*.md"))}
WITH_CODE = [name for name, text in PAGES.items() if BLOCK.search(text)]


def test_blocks_are_found():
    assert len(WITH_CODE) >= 14
    for name, text in PAGES.items():
        assert text.count("```python") == len(BLOCK.findall(text)), name


@pytest.mark.parametrize("name", WITH_CODE)
def test_page(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    namespace = {}
    for needs, _, code in BLOCK.findall(PAGES[name]):
        compiled = compile(textwrap.dedent(code), f"docs/{name}", "exec")
        if not needs or importlib.util.find_spec(needs):
            with warnings.catch_warnings():
                if needs:  # another library's warnings are its own
                    warnings.simplefilter("ignore")
                exec(compiled, namespace)


def test_pages_and_links_are_there():
    listed = set(re.findall(r"[\w/.-]+\.md", CONFIGURATION))
    assert listed == set(PAGES), "mkdocs.yml lists other pages than there are"
    for name, text in PAGES.items():
        for link in re.findall(r"\]\(([^)#]+\.md)(?:#[^)]*)?\)", text):
            target = (DOCS / name).parent / link
            assert target.resolve().is_relative_to(DOCS), f"{name}: {link} leads out of the documentation"
            assert target.exists(), f"{name}: {link} leads nowhere"


def test_every_public_name_is_in_the_reference():
    text = "".join(text for name, text in PAGES.items() if name.startswith("reference/"))
    shown = list(map(pkgutil.resolve_name, re.findall(r"^::: (\S+)", text, re.MULTILINE)))
    inside = [vars(one).values() for one in shown if inspect.ismodule(one)]
    for name in jaxbm.__all__:
        its = getattr(jaxbm, name)
        assert inspect.ismodule(its) or any(its is one for one in itertools.chain(shown, *inside)), name


def test_each_page_is_two_clicks_away():
    start = set(re.findall(r"\]\(([^)#]+\.md)\)", PAGES["index.md"]))
    reference = {name for name in PAGES if name.startswith("reference/")}  # one click from each other, by the tabs
    assert start & reference
    assert set(PAGES) - reference - start == {"index.md"}


@pytest.mark.parametrize("name", ["fit", "fit_members", "sweep", "cross_validate", "fit_groups"])
def test_options_are_shown_below_what_decorates_too(name):
    """Where the reference looks: one that says `**options` says nothing."""
    function = inspect.unwrap(getattr(jaxbm, name))
    for option in ("loss", "batch_size", "patience"):
        assert option in inspect.signature(function).parameters
        assert re.search(rf"^ +{option}: ", function.__doc__, re.MULTILINE)
