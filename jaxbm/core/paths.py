"""Where folders and files are to be: on this machine, and called what they are."""

import pathlib
import re
from typing import Any

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_FORMATS = {
    ".onnx": "ONNX", ".h5": "HDF5", ".hdf5": "HDF5", ".keras": "Keras", ".pt": "PyTorch", ".pth": "PyTorch",
    ".pkl": "pickle", ".pickle": "pickle", ".joblib": "joblib", ".npz": "NumPy", ".safetensors": "safetensors",
    ".tflite": "TensorFlow", ".pb": "TensorFlow", ".msgpack": "Flax", ".eqx": "Equinox",
}  # fmt: skip


def folder_path(folder: Any) -> pathlib.Path:
    """`folder` as a path; TypeError where it is none, ValueError where it is an address."""
    check_local("folder", folder)
    try:
        return pathlib.Path(folder)
    except TypeError:
        raise TypeError(f"folder: expected a path, got {type(folder).__name__}") from None


def check_local(argument: str, path: Any) -> None:
    """ValueError where `path` is no path on this machine: `s3://bucket` would be a folder called `s3:`."""
    if isinstance(path, str) and (_ADDRESS.match(path) or "\x00" in path):
        got = "a null character in it" if "\x00" in path else "an address"
        raise ValueError(f"{argument}: expected a path on this machine, got {got}")


def check_format(argument: str, folder: pathlib.Path) -> None:
    """ValueError where a new folder is called like a file of another format: it wouldn't be one."""
    if folder.suffix.lower() in _FORMATS and not folder.exists():
        raise ValueError(
            f"{argument}: expected a folder's name, got {folder.name!r}; a model is saved as a folder of "
            f"safetensors and JSON, not as a file of {_FORMATS[folder.suffix.lower()]}"
        )
