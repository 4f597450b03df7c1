"""Instructions that the kernels execute for fixed pieces of work, against a stored baseline.

Time on a busy machine says little below ten per cent; a count of instructions repeats to a fraction of one. It is
taken by valgrind's callgrind, which knows no AVX-512, so the AVX2 kernels are counted. A case that grew by more
than `LIMIT` fails. Counts belong to one compiler version: another one is measured and shown, but not judged.

    python benchmarks/instructions/check.py            # compare; exit status 1 if a case grew
    python benchmarks/instructions/check.py --update   # measure, and store as the new baseline
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
BASELINE = HERE / "baseline.json"
LIMIT = 0.05
HANDLERS = ("jaxbm_train", "jaxbm_apply", "jaxbm_adam", "jaxbm_permutation")


def build(folder: Path) -> Path:
    """The benchmark program, compiled for AVX2 alone."""
    settings = ["-DCMAKE_BUILD_TYPE=Release", "-DJAXBM_TESTS=ON", "-DJAXBM_INSTRUCTION_SETS=v3"]
    settings.append(f"-DPython_EXECUTABLE={sys.executable}")
    kernels = HERE.parents[1] / "kernels" / "cpu"
    _run("cmake", "-G", "Ninja", "-S", kernels, "-B", folder, *settings)
    _run("ninja", "-C", folder, "kernel_instructions")
    return folder / "kernel_instructions"


def count(program: Path, case: str, folder: Path) -> int:
    """Instructions inside the handler that `case` calls."""
    out = folder / f"{case}.callgrind"
    toggles = [f"--toggle-collect={name}" for name in HANDLERS]
    _run("valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", *toggles, program, case)
    found = re.search(r"^(?:totals|summary): (\d+)", out.read_text(), re.MULTILINE)
    if found is None or int(found[1]) == 0:
        raise RuntimeError(f"{case}: callgrind counted nothing")
    return int(found[1])


def measure(folder: Path) -> tuple[str, dict[str, int]]:
    """The compiler, and instructions by case."""
    program = build(folder)
    cases = _run(program, "--list").split()
    return _run(program, "--compiler").strip(), {case: count(program, case, folder) for case in cases}


def compare(counts: dict[str, int], stored: dict[str, int], limit: float = LIMIT) -> list[str]:
    """What is wrong: cases that grew by more than `limit`, or that only one side has. Prints every case."""
    wrong = [f"{case}: in the baseline, but no longer measured" for case in stored.keys() - counts.keys()]
    for case, now in counts.items():
        before = stored.get(case)
        change = "new" if before is None else f"{now / before - 1:+.2%}"
        print(f"{case:<16} {now:>12,} instructions  {change}")
        if before is None:
            wrong.append(f"{case}: not in the baseline")
        elif now > before * (1 + limit):
            wrong.append(f"{case}: {change}, more than {limit:.0%}")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description="Count the kernels' instructions and compare with the baseline.")
    parser.add_argument("--update", action="store_true", help="store what is measured as the new baseline")
    update = parser.parse_args().update
    missing = [tool for tool in ("valgrind", "cmake", "ninja") if shutil.which(tool) is None]
    if missing:
        print(f"instruction counts: SKIPPED, not installed: {', '.join(missing)}")
        return 1 if update else 0
    with tempfile.TemporaryDirectory() as folder:
        compiler, counts = measure(Path(folder))
    baselines = json.loads(BASELINE.read_text()) if BASELINE.exists() else {}
    if update:
        baselines[compiler] = counts
        BASELINE.write_text(json.dumps(baselines, indent=2, sort_keys=True) + "\n")
    stored = baselines.get(compiler)
    wrong = compare(counts, stored or {})
    if stored is None:
        print(f"instruction counts: NOT JUDGED, the baseline is of {', '.join(baselines)}, not of {compiler}")
        return 0
    for line in wrong:
        print(f"FAILED {line}")
    if any(counts.get(case, before) < before * (1 - LIMIT) for case, before in stored.items()):
        print("Some cases became faster: store that with --update, so that it stays so.")
    return 1 if wrong else 0


def _run(*command: object) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
