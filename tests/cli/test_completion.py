"""What shells make of the completion, in the shells themselves where they are installed."""

import os
import pty
import select
import shutil
import subprocess
import time

import pytest

from jaxbm.cli import main

pytest.importorskip("shtab")
WORDS = {
    "jaxbm tra": "jaxbm train ",
    "jaxbm train --los": "jaxbm train --loss",
    "jaxbm train --loss abs": "jaxbm train --loss absolute_error",
    "jaxbm train --loss=abs": "jaxbm train --loss=absolute_error",
    "jaxbm sweep ro": "jaxbm sweep rows.csv",
    "jaxbm evaluate mod": "jaxbm evaluate model/",
    "jaxbm train --hidden 64 32 --pres": "jaxbm train --hidden 64 32 --preset",
}
"""What is typed before the tabulator, and what stands there behind it."""


def printed(shell, capsys):
    with pytest.raises(SystemExit):
        main(["--print-completion", shell])
    return capsys.readouterr().out


@pytest.fixture
def folder(tmp_path):
    """A table, a model, and a command that has the name."""
    (tmp_path / "rows.csv").touch()
    (tmp_path / "model").mkdir()
    command = tmp_path / "bin/jaxbm"
    command.parent.mkdir()
    command.write_text("#!/bin/sh\n")
    command.chmod(0o755)
    return tmp_path


def environment(folder):
    return {**os.environ, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "HOME": str(folder), "TERM": "dumb"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_commands_are_told_in_a_line_and_names_are_known(shell, capsys):
    told = printed(shell, capsys)
    assert all(word in told for word in ("learning-rate", "absolute_error", "breast_cancer", "glorot_uniform"))
    assert "write predictions with probabilities" in told or shell == "bash"
    assert "each network of which is validated" not in told
    if shell == "zsh":
        assert '"--loss=[' in told  # so that --loss=mse is completed, too


@pytest.mark.skipif(shutil.which("fish") is None, reason="needs fish")
def test_fish(folder, capsys):
    (folder / "jaxbm.fish").write_text(printed("fish", capsys))
    asked = "; ".join(f"echo (complete -C '{typed}')[1]" for typed in WORDS)
    shell = ["fish", "--no-config", "-c", f"source jaxbm.fish; {asked}"]
    found = subprocess.run(
        shell, cwd=folder, env=environment(folder), capture_output=True, text=True, timeout=60, check=True
    )
    got = [line.split("\t")[0].strip() for line in found.stdout.splitlines()]
    assert got == [whole.split()[-1] for whole in WORDS.values()]


@pytest.mark.skipif(shutil.which("zsh") is None, reason="needs zsh")
def test_zsh(folder, capsys):
    (folder / "_jaxbm").write_text(printed("zsh", capsys))
    terminal, end = pty.openpty()
    shell = subprocess.Popen(
        ["zsh", "-f", "-i"], cwd=folder, env=environment(folder), stdin=end, stdout=end, stderr=end,
        start_new_session=True,
    )  # fmt: skip
    os.close(end)

    def until(wanted):
        seen, end = "", time.monotonic() + 30
        while wanted not in seen and time.monotonic() < end:
            if select.select([terminal], [], [], 0.1)[0]:
                seen += os.read(terminal, 1 << 16).decode(errors="replace")
        assert wanted in seen
        return seen

    try:
        setup = "PS1=; autoload -Uz compinit; fpath=($PWD $fpath); compinit -u -d $PWD/dump; echo rea''dy\n"
        os.write(terminal, setup.encode())
        until("ready")
        for typed, whole in WORDS.items():
            os.write(terminal, f"{typed}\t".encode())
            until(whole)
            os.write(terminal, b"\x15")  # clears the line
    finally:
        shell.kill()
        shell.wait()
        os.close(terminal)
