"""Save a model to a folder and load it again."""

import os
import pathlib
from typing import Any, NamedTuple

from jaxbm.core.calls import helpful
from jaxbm.models.protocol import Model, Params, as_model
from jaxbm.saved import arrays, envelope
from jaxbm.saved.envelope import ONE


class Saved(NamedTuple):
    """What `load` finds in a folder."""

    model: Model
    params: Params
    preparation: Any
    """a `jaxbm.table.Preparation`, or None"""
    metadata: dict[str, Any]


@helpful
def save(
    folder: str | os.PathLike[str],
    model: Model,
    params: Params,
    *,
    preparation: Any = None,
    metadata: dict[str, Any] | None = None,
) -> None:
    """Write a model, its parameters and what belongs to them into `folder`, replacing a model saved there before.

    Args:
      folder: made where it doesn't exist.
      model, params: the network.
      preparation: a `jaxbm.table.Preparation`, applied again at prediction.
      metadata: JSON values to keep beside them.

    Raises:
      ValueError: `folder` is a file, or holds something that is not a saved model; or the model's class isn't
        registered.
      TypeError: the model can't be described by JSON values, as a `FunctionModel`.

    Example:
      >>> import jax, jaxbm, tempfile
      >>> model = jaxbm.MLP((4, 8, 1))
      >>> params = model.init(jax.random.key(0))
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     jaxbm.save(folder, model, params)
      ...     jaxbm.load(folder).model == model
      True
    """
    as_model(model).check_params(params)
    envelope.write(folder, ONE, model, arrays.packed(params), {}, preparation, metadata)


def check_folder(folder: str | os.PathLike[str]) -> pathlib.Path:
    """`folder` as a path, where `save` may write; ValueError if it is a file or holds something else."""
    return envelope.check_folder(folder, ONE)


@helpful
def load(folder: str | os.PathLike[str]) -> Saved:
    """Read what `save` wrote; predictions are bit-identical to those before.

    Raises:
      FileNotFoundError: there is no saved model in `folder`.
      ValueError: a file is damaged or foreign; says which and how.

    Example: see `save`.
    """
    found = envelope.read(folder, ONE)
    with envelope.fits_together(folder):
        params = arrays.unpacked(found.model, found.arrays)
    return Saved(found.model, params, found.preparation, found.metadata)
