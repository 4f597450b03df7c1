"""The import ladder: what stands on a rung imports from its own rung and those below, and nothing in a circle."""

import ast
import functools
import graphlib
import importlib
import pathlib
import re

import pytest
from support.children import python

import jaxbm
import jaxbm.benchmarks
import jaxbm.kernels
from jaxbm.core.elsewhere import PLACES, hint

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


@functools.cache
def parsed(path):
    return ast.parse(path.read_text())


def imports(name, path, for_types=True):
    """The project's modules that a file imports, those for type checks alone too if asked for."""
    tree = parsed(path)
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


LIGHT = """
import sys, jaxbm
import jaxbm.cli.help
early = sorted(name for name in sys.modules if name in ("jax", "numpy") or name.startswith("jaxbm."))
import jax, jax.numpy, numpy
before = set(sys.modules)
for name in jaxbm.__all__:
    getattr(jaxbm, name)
new = {name.partition(".")[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names)
print(early, sorted(new - {"jax", "jaxlib", "jaxbm"}), sep="\\n")
"""


def test_the_import_is_light():
    """`import jaxbm` brings nothing, and every public name only jax and numpy: whoever needs Optax, which the core
    needs as well, or an extra imports it then."""
    early, new = python("-c", LIGHT).stdout.splitlines()
    assert set(ast.literal_eval(early)) <= {
        *("jaxbm.core", "jaxbm.core.checkout", "jaxbm.core.lazy", "jaxbm.core.words"),
        *("jaxbm.cli", *(f"jaxbm.cli.{name}" for name in ("completion", "help", "options", "outcome"))),
    }
    assert ast.literal_eval(new) == []


@pytest.mark.parametrize("package", [jaxbm, jaxbm.kernels])
def test_a_type_checker_sees_the_names_that_are_imported_when_asked_for(package):
    (block,) = (
        node for node in ast.parse(pathlib.Path(package.__file__).read_text()).body if isinstance(node, ast.If)
    )
    seen = {alias.name: node.module for node in block.body for alias in node.names}
    assert sorted(seen) == sorted(package.__all__)
    assert set(seen) <= set(dir(package))
    for name, module in seen.items():
        home = importlib.import_module(module)
        there = getattr(home, name)
        assert getattr(package, name) is there
        package.__dict__.pop(name)  # asked for anew
        assert getattr(package, name) is there
    with pytest.raises(AttributeError, match=f"module '{package.__name__}' has no attribute 'fitt'"):
        package.fitt  # noqa: B018


def test_modules_are_found_without_an_import_of_their_own():
    for name in (name for name, path in MODULES.items() if path.name == "__init__.py"):
        assert "__getattr__" in vars(importlib.import_module(name)), f"{name}: see jaxbm.core.lazy.attached"
    code = "import jaxbm; jaxbm.report.explanation, jaxbm.losses.meaning, jaxbm.kernels.mlp.train"
    python("-c", code)
    assert jaxbm.estimators.JaxMLPClassifier.__module__.startswith("jaxbm.estimators")
    assert jaxbm.studies.folds.make_folds
    assert not hasattr(jaxbm.studies, "fold")
    assert {"fit", "table", "__version__"} <= set(dir(jaxbm))
    assert not {"lazy", "TYPE_CHECKING"} & set(dir(jaxbm))


def test_names_of_other_libraries_are_answered_with_ours():
    for package, places in PLACES.items():
        for name, place in places.items():
            assert hint(package, name.title(), ()) == f"; here it is {place}"
            head, *rest = place.partition(",")[0].split(".")
            if head == "jaxbm":
                assert functools.reduce(getattr, rest, jaxbm) is not None
    with pytest.raises(
        AttributeError, match=r"no attribute 'BCEWithLogitsLoss'; here it is jaxbm\.losses\.sigmoid_bin"
    ):
        jaxbm.losses.BCEWithLogitsLoss  # noqa: B018
    with pytest.raises(AttributeError, match=r"no attribute 'Sequential'; here it is jaxbm\.MLP"):
        jaxbm.Sequential  # noqa: B018
    with pytest.raises(AttributeError, match=r"no attribute 'r2_score'; here it is jaxbm\.metrics\.r2"):
        jaxbm.metrics.r2_score  # noqa: B018
    for name, told in {
        "accuracy_score": "; here it is jaxbm.metrics.accuracy",
        "mse": "; here it is jaxbm.metrics.mse",
        "MSELoss": "; here it is jaxbm.losses.squared_error",
        "read_csv": "; here it is jaxbm.table.read",
        "relu": "; it is jax.nn.relu, which works here",
        "cosine_decay_schedule": "; it is optax.cosine_decay_schedule, which works here",
        "fit_member": "; did you mean 'fit_members'?",
        "plot_loss": "",
    }.items():
        with pytest.raises(AttributeError) as caught:
            getattr(jaxbm, name)
        assert str(caught.value) == f"module 'jaxbm' has no attribute {name!r}{told}"
