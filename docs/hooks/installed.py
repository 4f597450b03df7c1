"""The package as an installation has it, kernels inside, for the reference; and whether that is complete."""

import inspect
import pathlib
import pkgutil
import re
import shutil
import sys
import tempfile

from mkdocs.exceptions import PluginError
from mkdocs.plugins import event_priority

ROOT = pathlib.Path(__file__).parents[2]

#: What an object looks like where nothing was said of it: an address, Python's own words on its type.
UNSAID = ("at 0x", "new empty dict", "_tuplegetter", "Built-in mutable", "Built-in immutable")


@event_priority(100)  # before mkdocstrings looks where to find sources
def on_config(config):
    """Let mkdocstrings read, and Python import, a copy of the package that holds the kernels."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="jaxbm-docs-"))
    leave = shutil.ignore_patterns("__pycache__", "cpu", "lib")
    shutil.copytree(ROOT / "jaxbm", folder / "jaxbm", ignore=leave)
    for name in ("kernels", "benchmarks"):
        shutil.copytree(ROOT / name, folder / "jaxbm" / name, ignore=leave)
    for path in folder.rglob("*.py"):
        # A single "Example:" is text to mkdocstrings, and what follows `>>>` a quotation; its plural is code.
        text = path.read_text(encoding="utf-8")
        path.write_text(re.sub(r"^( +)Example:$", r"\1Examples:", text, flags=re.MULTILINE), encoding="utf-8")
    config.plugins["mkdocstrings"].config.handlers["python"]["paths"] = [str(folder)]
    sys.path.insert(0, str(folder))
    return config


def on_post_build(config):
    """Every name that the package and its shown modules offer stands there, and none in the words of Python's own."""
    pages = {path: path.read_text() for path in sorted(pathlib.Path(config.site_dir, "reference").rglob("*.html"))}
    ids = set(re.findall(r'<h\d id="(jaxbm[\w.]*)"', "".join(pages.values())))
    for shown in ["jaxbm", *(one for one in ids if one.islower())]:
        offered = pkgutil.resolve_name(shown)
        for name in getattr(offered, "__all__", ()) if inspect.ismodule(offered) else ():
            full = f"{shown}.{name}"
            its = getattr(offered, name)
            elsewhere = f"{getattr(its, '__module__', '')}.{name}"
            if not {full, elsewhere} & ids and not inspect.ismodule(its):
                raise PluginError(f"the reference lacks {full}")
    for path, text in pages.items():
        for words in UNSAID:
            if words in text:
                raise PluginError(f"{path}: {words!r} is no description")
