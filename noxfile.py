"""The project's tasks: `nox -l` lists them, `nox -s lint` runs one, in the environment that is active."""

import os
import pathlib
import shutil
import subprocess
import tempfile

import nox

nox.options.sessions = ["lint", "types", "tests"]
ROOT = pathlib.Path(__file__).parent
#: What depends on JAX's and jaxlib's version most; run on every supported end.
VERSION_SENSITIVE = ("tests/kernels", "tests/program", "tests/contracts")
#: A file's tests share what they compile, so that each file stays on one worker; who is slow is told at the end.
PYTEST = ("pytest", "-n", "2", "--dist", "loadfile", "--durations", "40")
CPU = {"JAX_PLATFORMS": "cpu"}

#: What compiles for accelerators that need not be there: what it needs, and the tests that use it.
AHEAD = {
    "cuda": (("jax-cuda13-plugin=={jax}", "jax-cuda13-pjrt=={jax}"), "tests/run/test_ahead_of_time.py"),
    "nvrtc": (("nvidia-cuda-nvrtc==13.*",), "tests/kernels/test_cuda_choice.py"),
    "tpu": (("libtpu",), "tests/run/test_ahead_for_tpu.py"),
}
BRINGING_SECONDS = 180


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
    can't be had is skipped with a word. `-- cuda nvrtc` does these parts alone, and of NVRTC's shapes some."""
    import jax

    folder = ROOT / "build" / "ahead" / jax.__version__
    parts = session.posargs or list(AHEAD)
    for name in parts:
        packages = [package.format(jax=jax.__version__) for package in AHEAD[name][0]]
        if (reason := _not_brought(folder / name, packages)) is not None:
            session.warn(f"{' and '.join(packages)} can't be had ({reason}): what needs them is skipped")
    path = os.pathsep.join([*(str(folder / name) for name in parts), os.environ.get("PYTHONPATH", "")])
    env = CPU | {"PYTHONPATH": path.rstrip(os.pathsep), "XLA_FLAGS": ""}  # compiled as users do
    chosen = ["-k", "ahead or compiler"] if session.posargs else []
    env |= {} if session.posargs else {"JAXBM_AHEAD": "1"}
    session.run("pytest", "-rs", *chosen, *(AHEAD[name][1] for name in parts), env=env)


def _not_brought(target: pathlib.Path, packages: list[str]) -> str | None:
    """Why packages aren't in a folder and couldn't be installed there in time; None where they are."""
    if target.exists():
        return None
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        command = ["python", "-m", "pip", "install", "-q", "--no-deps", "--target", f"{folder}/all", *packages]
        try:
            done = subprocess.run(command, timeout=BRINGING_SECONDS, capture_output=True, text=True, check=False)
        except subprocess.TimeoutExpired:
            return f"nothing came in {BRINGING_SECONDS} seconds"
        if done.returncode:
            return (done.stderr.strip().splitlines() or ["pip says nothing"])[-1]
        pathlib.Path(folder, "all").rename(target)
    return None


@nox.session(python=False)
def quality(session: nox.Session) -> None:
    """The estimators against scikit-learn's, paired over seeds: many minutes."""
    session.run("pytest", "tests/estimators/test_quality.py", *session.posargs, env=CPU | {"JAXBM_QUALITY": "1"})


@nox.session(python=False)
def harnesses(session: nox.Session) -> None:
    """Every input that JAX has for tests of its primitives, natively against `jax.jit`: about ten minutes."""
    session.run("pytest", "tests/program/test_harnesses.py", *session.posargs, env=CPU | {"JAXBM_HARNESSES": "1"})
