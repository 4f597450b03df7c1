"""A user's type checker sees our types: the package is installed with its mark, and mypy reads it."""

import pathlib
import shutil
import subprocess
import sys
import sysconfig

import pytest

import jaxbm

pytest.importorskip("mypy")
ROOT = pathlib.Path(jaxbm.__file__).parents[1]
PROGRAM = """
import dataclasses

import jax
import numpy as np

import jaxbm

x, y, key = np.ones((4, 3)), np.ones(4), jax.random.key(0)
model = jaxbm.MLP((3, 8, 1), activation="tanh")
result = jaxbm.fit(key, model, x, y, loss="squared_error", epochs=3)
reveal_type(result)  # a FitResult
reveal_type(jaxbm.predict(model, result.params, x))  # an ndarray
reveal_type(jaxbm.load("folder").model)  # a Model


@dataclasses.dataclass(frozen=True)
class Linear(jaxbm.Model):
    input_shape: tuple[int, ...] = (3,)
    n_outputs: int = 1

    def init(self, key: jax.Array) -> dict[str, jax.Array]:
        return {"w": jax.random.normal(key, (3, 1))}

    def apply(self, params: dict[str, jax.Array], x: jax.Array) -> jax.Array:
        return x @ params["w"]


jaxbm.fit_members(key, Linear(), x, y, loss="squared_error", members=3, optimizer=jaxbm.adam(1e-2))


class Half(jaxbm.Model):
    n_outputs = 1


jaxbm.MLP("wide")  # wrong: arg-type
jaxbm.fit(key, model, x, y, loss="squared_error", epochs="three")  # wrong: arg-type
jaxbm.fit(key, model, x, y)  # wrong: call-arg
Half()  # wrong: abstract
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What mypy says of the program in an environment where jaxbm is installed."""
    folder = tmp_path_factory.mktemp("user")
    python = folder / "venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    site = next((folder / "venv" / "lib").glob("python*")) / "site-packages"
    (site / "others.pth").write_text(sysconfig.get_path("purelib"))  # jax, numpy, optax
    shutil.copytree(ROOT / "jaxbm", site / "jaxbm")
    if not (site / "jaxbm" / "kernels").exists():
        shutil.copytree(ROOT / "kernels", site / "jaxbm" / "kernels", ignore=shutil.ignore_patterns("cpu", "lib"))
    (folder / "program.py").write_text(PROGRAM)
    command = [sys.executable, "-m", "mypy", "--python-executable", python, "--cache-dir", folder / "cache"]
    done = subprocess.run(
        [*command, "--ignore-missing-imports", "program.py"], cwd=folder, capture_output=True, text=True, timeout=600
    )
    return done.stdout + done.stderr


def test_the_package_says_that_it_has_types():
    assert (pathlib.Path(jaxbm.__file__).parent / "py.typed").exists()


@pytest.mark.slow
def test_mypy_sees_our_types_and_finds_what_is_wrong_and_nothing_else(told):
    revealed, errors = {}, {}
    for said in told.splitlines():
        file, number, kind, text = (said.split(":", 3) + 4 * [""])[:4]
        if file == "program.py" and "Revealed type" in text:
            revealed[int(number)] = text
        elif kind.strip() == "error":
            errors.setdefault(int(number), text.rsplit("[", 1)[-1].rstrip("]"))
    lines = dict(enumerate(PROGRAM.splitlines(), 1))
    assert errors == {n: line.split("# wrong: ")[1] for n, line in lines.items() if "# wrong: " in line}, told
    marked = {n: line.split()[-1] for n, line in lines.items() if "reveal_type" in line}
    assert {n: word for n, word in marked.items() if word in revealed.get(n, "")} == marked, told
