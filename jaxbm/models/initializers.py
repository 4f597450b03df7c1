"""Weight initialisers by name. They are JAX's own; this file only names them."""

from jax.nn import initializers as _jax
from jax.nn.initializers import Initializer

from jaxbm.core.names import lookup

#: The names `MLP` accepts. Glorot and Xavier are two names of one thing (Glorot and Bengio, 2010), as are He and
#: Kaiming (He et al., 2015).
INITIALIZERS: dict[str, Initializer] = {
    "glorot_uniform": _jax.glorot_uniform(),
    "glorot_normal": _jax.glorot_normal(),
    "xavier_uniform": _jax.glorot_uniform(),
    "xavier_normal": _jax.glorot_normal(),
    "he_uniform": _jax.he_uniform(),
    "he_normal": _jax.he_normal(),
    "kaiming_uniform": _jax.he_uniform(),
    "kaiming_normal": _jax.he_normal(),
    "lecun_uniform": _jax.lecun_uniform(),
    "lecun_normal": _jax.lecun_normal(),
    "orthogonal": _jax.orthogonal(),
    "zeros": _jax.zeros,
}


def initializer(name: str) -> Initializer:
    """The initialiser called `name`: a function of `(key, shape, dtype)`.

    Raises:
      ValueError: `name` is not in `INITIALIZERS`; the nearest valid name is suggested.

    Example:
      >>> import jax
      >>> from jaxbm.models.initializers import initializer
      >>> initializer("glorot_uniform")(jax.random.key(0), (20, 64)).shape
      (20, 64)
    """
    return lookup("initializer", name, INITIALIZERS)
