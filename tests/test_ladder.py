"""The import ladder: core, kernels, train, members, workflow, command line; nothing imports upwards."""

import ast
import pathlib
import subprocess
import sys

import jaxbm.benchmarks
import jaxbm.kernels

import jaxbm

RUNGS = [
    {
        "names",
        "activations",
        "initializers",
        "counter",
        "shuffle",
        "losses",
        "metrics",
        "optimizers",
        "mlp",
        "batch_ensemble",
    },
    {"kernels"},
    {"checks", "files", "inputs", "training", "augment", "train", "inference"},
    {"table", "persistence", "report"},
    {"members"},
    {"estimators"},
    {"benchmarks"},
    {"cli"},
    {"__init__", "__main__"},
]
RUNG_OF = {module: rung for rung, modules in enumerate(RUNGS) for module in modules}


def _sources():
    package = pathlib.Path(jaxbm.__file__).parent
    kernels = pathlib.Path(jaxbm.kernels.__file__).parent
    for path in package.glob("*.py"):
        yield path.stem, path
    for path in package.glob("*/*.py"):
        yield path.parent.name, path
    for path in kernels.rglob("*.py"):
        yield "kernels", path
    for path in pathlib.Path(jaxbm.benchmarks.__file__).parent.rglob("*.py"):
        yield "benchmarks", path


def _imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "jaxbm":
            parts = node.module.split(".")
            yield from [parts[1]] if len(parts) > 1 else [alias.name for alias in node.names]


def test_nothing_imports_upwards():
    for module, path in _sources():
        assert module in RUNG_OF, f"{path.name} has no rung"
        for imported in _imports(path):
            if imported in RUNG_OF:
                assert RUNG_OF[imported] <= RUNG_OF[module], f"{path.name} imports {imported}, which is above it"


def test_the_import_needs_only_jax_numpy_and_optax():
    heavy = ("pandas", "sklearn", "rich", "matplotlib", "safetensors")
    code = f"import sys, jaxbm; print([m for m in {heavy} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
