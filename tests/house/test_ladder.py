"""The import ladder: what stands on a rung imports from its own rung and those below, and nothing in a circle."""

import ast
import graphlib
import pathlib
import re
import subprocess
import sys

import jaxbm
import jaxbm.benchmarks
import jaxbm.kernels

#: Folders, and the public modules beside them, from the lowest rung to the highest.
LADDER = (
    ("core",),
    ("shuffle", "augment", "losses", "metrics", "optimizers", "privacy"),
    ("models",),
    ("run",),
    ("kernels",),
    ("training",),
    ("members",),
    ("studies",),
    ("table",),
    ("understand",),
    ("saved", "report"),
    ("tabular",),
    ("estimators",),
    ("benchmarks",),
    ("cli",),
    ("jaxbm", "__main__"),
)
#: In a line of the drawing, what stands before its meaning: `jaxbm/losses, metrics`, `kernels/`.
HEAD = re.compile(r"(?:^(?:jaxbm/)?|jaxbm/)(\w+(?:, \w+)*)/?\s{2,}")
RUNG = {name: number for number, names in enumerate(LADDER) for name in names}


def sources():
    """Each module's full name and file."""
    for package in (jaxbm, jaxbm.kernels, jaxbm.benchmarks):
        root = pathlib.Path(package.__file__).parent
        for path in root.rglob("*.py"):
            parts = path.relative_to(root).with_suffix("").parts
            yield ".".join((package.__name__, *parts)).removesuffix(".__init__"), path


MODULES = dict(sources())


def imports(name, path, for_types=True):
    """The project's modules that a file imports, those for type checks alone too if asked for."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree) if for_types else _run(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: a relative import"
            if node.module in MODULES:
                for alias in node.names:
                    inner = f"{node.module}.{alias.name}"
                    yield inner if inner in MODULES else node.module


def _run(tree):
    for node in ast.iter_child_nodes(tree):
        if not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)):
            yield node
            yield from _run(node)


def folder(module):
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else parts[0]


def rung(module):
    name = folder(module)
    assert name in RUNG, f"{module} has no rung"
    return RUNG[name]


def test_nothing_imports_upwards():
    for name, path in MODULES.items():
        for imported in imports(name, path):
            if imported != "jaxbm":  # as a user would, inside functions of the commands
                assert rung(imported) <= rung(name), f"{name} imports {imported}, which is above it"


def test_only_the_top_imports_the_package_as_a_whole():
    for name, path in MODULES.items():
        if "jaxbm" in imports(name, path):
            assert rung(name) >= RUNG["estimators"], f"{name} imports jaxbm, whose parts all stand above it"


def test_no_module_waits_for_itself():
    graph = {name: set(imports(name, path, for_types=False)) - {name, "jaxbm"} for name, path in MODULES.items()}
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


def test_no_folder_waits_for_itself():
    """Nor do those of one rung."""
    graph = {name: set() for names in LADDER for name in names}
    for name, path in MODULES.items():
        for imported in imports(name, path, for_types=False):
            if imported != "jaxbm" and folder(imported) != folder(name):
                graph[folder(name)].add(folder(imported))
    graphlib.TopologicalSorter(graph).prepare()


def test_the_drawing_of_the_ladder_is_true():
    drawing = (pathlib.Path(__file__).parents[2] / "ARCHITECTURE.md").read_text().split("```")[1]
    lines = reversed(drawing.strip().splitlines())
    drawn = [name for line in lines for head in HEAD.findall(line) for name in head.split(", ")]
    assert sorted(drawn) == sorted(RUNG.keys() - {"jaxbm", "__main__"})
    assert drawn == sorted(drawn, key=RUNG.__getitem__), "ARCHITECTURE.md draws folders in another order"


def test_kernels_know_the_core_the_models_and_the_run_alone():
    for name, path in MODULES.items():
        if name.startswith("jaxbm.kernels"):
            for imported in imports(name, path):
                assert imported.startswith("jaxbm.kernels") or rung(imported) <= RUNG["run"], (name, imported)


def test_the_import_needs_only_jax_and_numpy():
    """Optax, which the core needs as well, is imported where an optimizer of its own is met."""
    heavy = ("optax", "pandas", "sklearn", "scipy.stats", "rich", "matplotlib", "safetensors", "llvmlite")
    code = f"import sys, jaxbm; print([m for m in {heavy} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
