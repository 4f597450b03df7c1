"""What `fit` and its many-member forms are given, checked and turned into the arrays of a training run."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from jaxbm.core import arrays, checks
from jaxbm.core import rows as row_trees
from jaxbm.core.device import placed
from jaxbm.core.labels import as_rows, class_codes
from jaxbm.core.settings import whole_on_each
from jaxbm.core.weights import as_given, scaled
from jaxbm.losses import columns_of, kind_of
from jaxbm.metrics import Hook, check_labels
from jaxbm.models.protocol import Model, as_model
from jaxbm.run import row_checks
from jaxbm.run.contract import Data, Loss
from jaxbm.run.conversions import metric_for, metric_functions
from jaxbm.run.training import Training


def way_to_validate(training: Training) -> str | None:
    """Which of the options says what to validate on; None without validation.

    Raises:
      ValueError: several do, or the fraction is none.
    """
    check_split(training)
    ways = {name: getattr(training, name) for name in ("validation_split", "validation_data", "validation_rows")}
    ways["validation_split"] = float(training.validation_split) or None
    given = [name for name, value in ways.items() if value is not None]
    if len(given) > 1:
        raise ValueError(f"{given[0]}: expected one way to validate, got {' and '.join(given)}")
    return given[0] if given else None


def check_split(training: Training) -> None:
    """TypeError or ValueError where `validation_split` is no fraction below 1."""
    checks.one_number("validation_split", training.validation_split)
    checks.in_range("validation_split", training.validation_split, 0.0, 1.0, open_high=True)


def training_data(training: Training, model: Model, x: Any, y: Any, unweighed: Any = None) -> Data:
    """The checked rows of one run.

    Args:
      training, model, x, y: as for `fit`.
      unweighed: `[n]`, the rows' weights without those of classes, where `sample_weight` has these already.
    """
    loss, way = training.loss, way_to_validate(training)
    scale = scale_of(training)
    x, y, plain = _arrays(as_model(model), loss, x, y, training.sample_weight, "", scale)
    check_measured(training.metrics, y, model, loss)
    rows = row_trees.count(x)
    index = None if training.rows is None else checks.row_index("rows", training.rows, rows)
    first = _first_rows(training, rows if index is None else index.shape[0]) if way == "validation_split" else None
    learnt: Any = slice(first) if index is None else index[:first]
    weight = plain  # weights of classes are for training alone, as in Keras
    if training.class_weight is not None:
        picked = class_weights(training.class_weight, y, model, loss, learnt)
        weight = picked if plain is None else scale(plain * picked)
    if way != "validation_split" or index is not None:
        x, y = jax.tree.map(placed, (x, y))
    given = plain if unweighed is None else unweighed
    _check_learnt(given, weight, learnt)
    if way is None:
        return Data(x, y, weight, rows=index)
    if way == "validation_rows":
        held_out = checks.row_index("validation_rows", training.validation_rows, rows)
        check_counted(plain, held_out)
        return Data(x, y, weight, x, y, plain, rows=index, rows_val=held_out)
    if way == "validation_data":
        return Data(x, y, weight, *_validation_data(training, model))._replace(rows=index)
    if index is not None:
        check_counted(plain, index[first:])
        return Data(x, y, weight, x, y, plain, rows=learnt, rows_val=index[first:])
    check_counted(plain, slice(first, None))
    parts: list[Any] = [
        jax.tree.map(placed, row_trees.take(a, part))
        for part, weights in ((slice(first), weight), (slice(first, None), plain))
        for a in (x, y, weights)
    ]
    return Data(*parts)


def _first_rows(training: Training, n: int) -> int:
    """How many of `n` rows are trained on, the others being validated on."""
    first = int(n * (1 - float(training.validation_split)))
    if not 0 < first < n:
        split = training.validation_split
        raise ValueError(f"validation_split: {split} of {n} rows leaves no row for training or for validation")
    return first


def scale_of(training: Training) -> Callable[[Any], Array]:
    """How weights become float32: with privacy by no factor for all of them, which the largest would decide."""
    return scaled if training.privacy is None else as_given


def check_measured(metrics: Any, y: Any, model: Model, loss: str | Loss) -> None:
    """ValueError where a metric of ours has no meaning for these labels, or for what the loss takes outputs for."""
    for _, given in metric_functions("metrics", metrics):
        metric = metric_for(given, loss)
        if isinstance(metric, Hook):
            metric.check_outputs()
            if row_trees.is_tree(y):
                raise ValueError(
                    f"y: expected one array for metric {metric.name!r}, got a {type(y).__name__} of arrays; metrics "
                    "of your own are functions (logits, labels, weights)"
                )
            check_labels(metric.name, y, kind_of(loss), n_classes(model, loss))


def check_counted(
    weight: Array | np.ndarray | None, rows: Any = slice(None), what: str = "measured", name: str = "sample_weight"
) -> None:
    """ValueError where all of some rows have weight zero: then nothing is known of them, and nothing learnt."""
    if weight is not None and not checks.is_traced(weight, rows) and not np.any(np.asarray(weight[rows])):
        raise ValueError(f"{name}: expected a positive weight among the rows {what}, got zeros alone")


def _check_learnt(given: Any, weight: Any, rows: Any) -> None:
    """ValueError where nothing is learnt from rows: by the weights given, or by those of classes beside them."""
    check_counted(given, rows, "trained on")
    check_counted(weight, rows, "trained on", "class_weight")


def features_and_labels(
    model: Model, loss: str | Loss, x: Any, y: Any, place: Callable[[Any], Any] | None = None
) -> tuple[Any, Any]:
    """`x` and `y` checked, and of the types that a run has them in.

    Args:
      model, loss, x, y: as for `fit`.
      place: brings an array where it is to stay, before its values are checked, which are then known of it.
    """
    return _arrays(as_model(model), loss, x, y, None, "", place=place)[:2]


def _validation_data(training: Training, model: Model) -> tuple[Array, Array, Array | None]:
    given = training.validation_data
    if not isinstance(given, list | tuple):
        raise TypeError(f"validation_data: expected (x, y) or (x, y, weight), got {type(given).__name__}")
    if len(given) not in (2, 3):
        raise ValueError(f"validation_data: expected (x, y) or (x, y, weight), got {len(given)} items")
    x, y, weight = _arrays(model, training.loss, *(*given, None)[:3], " (validation)")  # type: ignore[call-arg]
    check_counted(weight, name="validation_data")
    check_measured(training.metrics, y, model, training.loss)
    return jax.tree.map(placed, (x, y, weight))


def _arrays_of(name: str, tree: Any) -> Any:
    """Every array checked for what JAX can hold."""
    return row_trees.mapped(_narrow, name, tree)


def _narrow(name: str, value: ArrayLike) -> Any:
    """As wide as JAX will hold it; what is beyond becomes infinite, and is named by the checks of values."""
    array = _array(name, value)
    if not isinstance(array, np.ndarray) or array.dtype.kind != "f":
        return array
    with np.errstate(over="ignore"):
        return array.astype(jax.dtypes.canonicalize_dtype(array.dtype), copy=False)


def _array(name: str, value: ArrayLike) -> Any:
    # What isn't on the device stays on the host until it is checked and cut: there nothing is compiled for it.
    if isinstance(value, jax.Array):
        return _real(name, whole_on_each(value))
    if checks.is_traced(value):  # a list of what is traced
        return _real(name, jnp.asarray(value))
    return _real(name, arrays.host_numbers(name, arrays.given(name, value)))


def _real(name: str, values: Any) -> Any:
    if jnp.issubdtype(values.dtype, jnp.complexfloating):
        raise TypeError(f"{name}: expected real numbers, got dtype {values.dtype}")
    return values


def _arrays(
    model: Model,
    loss: str | Loss,
    x: Any,
    y: Any,
    weight: ArrayLike | None,
    name: str,
    scale: Callable[[Any], Array] = scaled,
    place: Callable[[Any], Any] | None = None,
) -> tuple[Any, Any, Array | None]:
    x, y = _arrays_of(f"x{name}", x), _arrays_of(f"y{name}", y)
    if model.float_features and not row_trees.is_tree(x) and not jnp.issubdtype(x.dtype, jnp.floating):
        x = x.astype(model.param_dtype)
    row_trees.check_integers(f"x{name}", x)
    if not row_trees.is_tree(y):
        y = one_array_of_labels(y, model, loss)
    w = None if weight is None else scale(_array(f"sample_weight{name}", weight))
    if place is not None:
        x, y = row_trees.each(place, x), row_trees.each(place, y)
    row_checks.rows(name, x, y, w, model)
    row_checks.labels_for(loss, y, model, name)
    row_trees.check_integers(f"y{name}", y)
    return x, y, w


def one_array_of_labels(y: Any, model: Model, loss: str | Loss) -> Any:
    """Labels in the shape and the type that the loss takes: `[n, 1]` of one label a row is `[n]`."""
    y, kind = as_rows(y, columns_of(loss, model.n_outputs)), kind_of(loss)
    is_whole = kind in (None, "class", "rank", "group")
    return y.astype(model.param_dtype) if y.dtype == bool or not is_whole else y


def class_weights(class_weight: Any, y: Array, model: Model, loss: str | Loss, rows: Any) -> Array:
    """`[n]`: each row's weight by its class; "balanced" counts `rows`, their numbers or a slice: those trained on."""
    if row_trees.is_tree(y):
        raise ValueError(f"class_weight: expected labels that are one array, got a {type(y).__name__} of arrays")
    classes = n_classes(model, loss)
    codes = class_codes(y, kind_of(loss), classes)
    if isinstance(class_weight, str):
        visited = codes[rows]
        counts = jnp.bincount(visited, length=classes)
        table = balanced(class_weight, jnp.asarray(visited.shape[0]), counts)
    else:
        table = class_table(class_weight, classes, kind_of(loss))
    return table[codes]


def n_classes(model: Model, loss: str | Loss) -> int:
    """One output tells two classes apart, and one step between ordered classes does."""
    return model.n_outputs + 1 if kind_of(loss) == "rank" else max(2, model.n_outputs)


def balanced(name: str, rows: Array, counts: Array) -> Array:
    """float32 `[..., classes]`: `rows / (classes * rows of the class)`, of counts `[...]` and `[..., classes]`."""
    if name != "balanced":
        raise ValueError(f"class_weight: expected 'balanced', a mapping or an array, got {checks.told(name)}")
    table = jnp.asarray(rows)[..., None] / (counts.shape[-1] * jnp.maximum(jnp.asarray(counts), 1))
    return table.astype(jnp.float32)


def class_table(class_weight: Mapping[int, float] | ArrayLike, classes: int, kind: str | None) -> Array:
    """float32 `[classes]`: given weights of classes, checked; 1 for those that a mapping leaves out."""
    if isinstance(class_weight, Mapping):
        # Where labels are signs, classes go by their labels or by their numbers, never by some of both.
        by_sign = kind == "sign" and 0 not in class_weight
        names = (-1, 1) if by_sign else range(classes)
        unknown = sorted(set(class_weight) - set(names), key=str)
        if unknown:
            expected = "-1 and 1, or 0 and 1" if kind == "sign" else f"0 to {classes - 1}"
            raise ValueError(f"class_weight: expected classes {expected}, got {unknown}")
        given: Any = [class_weight.get(c, 1.0) for c in names]
    else:
        given = class_weight
    table = _real("class_weight", _array("class_weight", given))
    if table.shape != (classes,):
        raise ValueError(f"class_weight: expected shape [{classes}], got {list(table.shape)}")
    checks.in_range("class_weight", table, 0, float("inf"))
    checks.finite("class_weight", table)
    return scaled(table)
