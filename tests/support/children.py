"""Python in a process of its own."""

import os
import subprocess
import sys

#: Seconds that no child of ours takes, however much other work the machine has: one that does hangs.
HANGS = 600


def python(*arguments, folder=None, **environment):
    """A process that has ended well, with what it printed; else an error with what it complained of."""
    # -P: the source folder, which holds no compiled kernels, must not hide the installed package.
    command = [sys.executable, "-P", *map(str, arguments)]
    environment = os.environ | environment
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANGS, env=environment, cwd=folder)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done
