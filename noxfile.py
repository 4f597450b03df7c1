"""The project's tasks: `nox -l` lists them, `nox -s lint` runs one, in the environment that is active."""

import os
import pathlib
import shutil
import tempfile

import nox

nox.options.sessions = ["lint", "types", "tests"]
ROOT = pathlib.Path(__file__).parent
#: What depends on JAX's and jaxlib's version most; run on every supported end.
VERSION_SENSITIVE = ("tests/kernels", "tests/program", "tests/contracts")
#: A file's tests share what they compile, so that each file stays on one worker.
PYTEST = ("pytest", "-n", "2", "--dist", "loadfile")
CPU = {"JAX_PLATFORMS": "cpu"}


@nox.session(python=False)
def lint(session: nox.Session) -> None:
    """Style and order of imports."""
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session(python=False)
def types(session: nox.Session) -> None:
    """Type-check the package as it is installed: with kernels and benchmarks inside."""
    with tempfile.TemporaryDirectory() as folder:
        package = pathlib.Path(folder, "jaxbm")
        shutil.copytree(ROOT / "jaxbm", package)
        for name in ("kernels", "benchmarks"):
            shutil.copytree(ROOT / name, package / name)
        with session.chdir(folder):
            session.run("python", "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml"))


@nox.session(python=False)
def kernels(session: nox.Session) -> None:
    """The compiled kernels' own tests: every instruction set of this machine, then sanitizers; the CUDA kernel's."""
    session.run(str(ROOT / "kernels/cpu/tests/run.sh"), *session.posargs)
    if not session.posargs:
        session.run(str(ROOT / "kernels/cuda/tests/run.sh"))


@nox.session(python=False)
def instructions(session: nox.Session) -> None:
    """Count the kernels' instructions, and hold them against the baseline."""
    session.run("python", str(ROOT / "benchmarks/instructions/check.py"))


@nox.session(python=False)
def pure_wheel(session: nox.Session) -> None:
    """Without a compiler there is a wheel all the same, which trains through XLA and says so."""
    session.run(str(ROOT / ".ci/pure_wheel"))


@nox.session(python=False)
def native(session: nox.Session) -> None:
    """Compile the kernels into the tree, so that code of the checkout runs with them: `kernels/lib`."""
    build, prefix = ROOT / "build/native", ROOT / "build/installed"
    session.run("cmake", "-S", str(ROOT / "kernels/cpu"), "-B", str(build), "-DCMAKE_BUILD_TYPE=Release")
    session.run("cmake", "--build", str(build), f"-j{os.cpu_count()}")
    session.run("cmake", "--install", str(build), "--prefix", str(prefix))
    for library in (prefix / "jaxbm/kernels/lib").glob("*.so"):
        target = ROOT / "kernels/lib" / library.name
        target.parent.mkdir(exist_ok=True)
        shutil.copy(library, beside := target.with_suffix(".new"))
        beside.replace(target)  # at once: a process may be using the old one


@nox.session(python=False)
def docs(session: nox.Session) -> None:
    """Build the documentation site into `build/site`; a warning is an error. Needs the extra `docs`."""
    session.run("mkdocs", "build", "--strict", *session.posargs, env={**CPU, "NO_MKDOCS_2_WARNING": "1"})


@nox.session(python=False)
def tests(session: nox.Session) -> None:
    """The whole suite, or what is named after `--`."""
    session.run(*PYTEST, *session.posargs, env=CPU)


@nox.session(python=False)
def tests_of_versions(session: nox.Session) -> None:
    """What depends on JAX's version most, compiled as users do; the arithmetic of compiled kernels does not."""
    arithmetic = "lesser_instruction_sets or 500_steps or depths_widths"
    as_users = CPU | {"XLA_FLAGS": ""}  # else the tests leave XLA's optimizing out
    session.run(*PYTEST, *VERSION_SENSITIVE, "-k", f"not ({arithmetic})", *session.posargs, env=as_users)


@nox.session(python=False)
def ahead(session: nox.Session) -> None:
    """Compile training for GPUs and TPUs that need not be there, and count what their hosts do and what registers are
    spilled. Brings JAX's CUDA plugin of JAX's own version, NVRTC and libtpu into `build/ahead`, half a gigabyte; what
    can't be had is skipped with a word."""
    import jax

    folder = ROOT / "build" / "ahead" / jax.__version__
    plugin = [f"{name}=={jax.__version__}" for name in ("jax-cuda13-plugin", "jax-cuda13-pjrt")]
    for name, packages in {"cuda": plugin, "nvrtc": ["nvidia-cuda-nvrtc==13.*"], "tpu": ["libtpu"]}.items():
        if (target := folder / name).exists():
            continue
        install = ("python", "-m", "pip", "install", "-q", "--no-deps", "--target", str(target), *packages)
        if session.run(*install, success_codes=[0, 1], silent=True) and not target.exists():
            session.warn(f"{' and '.join(packages)} can't be had: what needs them is skipped")
    path = os.pathsep.join(
        [*(str(folder / name) for name in ("cuda", "nvrtc", "tpu")), os.environ.get("PYTHONPATH", "")]
    )
    env = CPU | {"PYTHONPATH": path.rstrip(os.pathsep), "XLA_FLAGS": "", "JAXBM_AHEAD": "1"}  # compiled as users do
    files = (
        "tests/run/test_ahead_of_time.py",
        "tests/run/test_ahead_for_tpu.py",
        "tests/kernels/test_cuda_choice.py",
    )
    session.run("pytest", "-rs", *(session.posargs or files), env=env)


@nox.session(python=False)
def quality(session: nox.Session) -> None:
    """The estimators against scikit-learn's, paired over seeds: many minutes."""
    session.run("pytest", "tests/estimators/test_quality.py", *session.posargs, env=CPU | {"JAXBM_QUALITY": "1"})


@nox.session(python=False)
def harnesses(session: nox.Session) -> None:
    """Every input that JAX has for tests of its primitives, natively against `jax.jit`: about ten minutes."""
    session.run("pytest", "tests/program/test_harnesses.py", *session.posargs, env=CPU | {"JAXBM_HARNESSES": "1"})
