"""Machine code is kept where JAX keeps its own, and what isn't whole there is compiled again."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxbm
from jaxbm.kernels.program import build, compile, disk, machine

TEXT = "define i32 @program(ptr %a, ptr %r, ptr %s) {\n  ret i32 0\n}\n"


@pytest.fixture
def folder(tmp_path):
    names = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")
    before = {name: getattr(jax.config, name) for name in names}
    for name, value in zip(names, (str(tmp_path / "cache"), 0.0), strict=True):
        jax.config.update(name, value)
    yield tmp_path / "cache"
    for name, value in before.items():
        jax.config.update(name, value)


def files(folder):
    return sorted(folder.glob("jaxbm-program-*"))


def test_code_is_read_again(folder, monkeypatch):
    f = lambda x: jnp.cos(x) * 0.987 - jnp.roll(x, 3)  # noqa: E731
    x = jnp.arange(19.0)
    first = jaxbm.accelerate(f, require=True)(x)
    kept = files(folder)  # the handler's code too, where it was compiled here
    assert kept
    # As in another process: nothing is known, and nothing may be compiled.
    monkeypatch.setattr(build, "_compile_seconds", {})
    monkeypatch.setattr(compile, "optimise", None)
    monkeypatch.setattr(build.table, "hash_of", lambda text, known=build.table.hash_of: known("again" + text))
    np.testing.assert_array_equal(jaxbm.accelerate(f, require=True)(x), first)
    assert files(folder) == kept


def test_code_of_other_options_has_another_name(folder, monkeypatch):
    """Everything that LLVM is told is in the name, so that what an earlier release compiled otherwise isn't read."""
    options = [compile.ALL, compile.FEW, compile.QUICK, compile.NONE]
    other = {"level": 3, "tuning": (*compile.ALL.tuning, ("loop_unrolling", False)), "passes": ("simplify_cfg",)}
    assert set(other) == set(compile.Options._fields)
    options += [compile.ALL._replace(**{name: value}) for name, value in other.items()]
    for k, o in enumerate(options):
        compile.compile_text(TEXT, ("program",), options=o)
        assert len(files(folder)) == k + 1
    for name, value in {"TARGET": machine.TARGET | {"reloc": "static"}, "features": lambda: "+sse2"}.items():
        with monkeypatch.context() as m:
            m.setattr(machine, name, value)
            machine.identity.cache_clear()
            assert disk.read(repr(compile.ALL), TEXT, "") is None
        machine.identity.cache_clear()
        assert disk.read(repr(compile.ALL), TEXT, "")


def test_what_is_not_whole_is_absent(folder):
    disk.write(b"machine code", 1.0, TEXT, "")
    (path,) = files(folder)
    assert disk.read(TEXT, "") == b"machine code"
    assert disk.read(TEXT + "\n", "") is None
    whole = path.read_bytes()
    for damaged in (whole[:-1], whole[:5], b"", whole[:-1] + b"?"):
        path.write_bytes(damaged)
        assert disk.read(TEXT, "") is None


def test_only_what_jax_would_keep_is_kept(folder, monkeypatch):
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 1.0)
    disk.write(b"machine code", 0.9, TEXT, "")
    assert not files(folder)
    jax.config.update("jax_enable_compilation_cache", False)
    disk.write(b"machine code", 2.0, TEXT, "")
    jax.config.update("jax_enable_compilation_cache", True)
    assert not files(folder)
    # A folder that can't be made is no error.
    folder.write_text("a file")
    disk.write(b"machine code", 2.0, TEXT, "")
    assert disk.read(TEXT, "") is None
    jax.config.update("jax_compilation_cache_dir", None)
    disk.write(b"machine code", 2.0, TEXT, "")
    assert disk.read(TEXT, "") is None
