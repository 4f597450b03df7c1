"""`jaxbm info`: devices, versions and kernels."""

from __future__ import annotations

import argparse


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The command and its options."""
    parser = commands.add_parser("info", help="devices, versions, and which implementations are on")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Print them, and why any kernel is off."""
    del arguments
    import platform
    from importlib.metadata import version

    import jax

    import jaxbm

    print(f"jaxbm {jaxbm.__version__}, Python {platform.python_version()}")
    print(", ".join(f"{name} {version(name)}" for name in ("jax", "jaxlib", "optax", "numpy")))
    print("devices: " + ", ".join(str(device) for device in jax.devices()))
    for name, state in jaxbm.kernels.status().items():
        print(f"{name}: {state if state.startswith('on') else 'off, ' + state}")
