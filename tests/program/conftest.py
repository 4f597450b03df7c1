"""Tests of compiled programs need the compiler."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
pytest.importorskip("llvmlite")
