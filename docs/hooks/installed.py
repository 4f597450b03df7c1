"""Before the reference is built: the package as an installation has it, with the kernels inside."""

import pathlib
import re
import shutil
import sys
import tempfile

from mkdocs.plugins import event_priority

ROOT = pathlib.Path(__file__).parents[2]


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
