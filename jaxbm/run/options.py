"""Every option of a training run, once: its type, default, role and meaning.

`TrainingOptions` is the one list. From it come the keyword arguments of `fit` and its many-member forms, their
signatures and docstrings, the fields of `contract.Task` and `contract.Hyper`, what a sweep may search, the command
line's defaults and help, and what a folder's fingerprint holds. A new option is one entry here, and its use in the
loop.
"""

# No `from __future__ import annotations`: the annotations are the description, and are read when this is imported.
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Required, TypedDict

from jax import Array
from jax.typing import ArrayLike

from jaxbm.core import checks
from jaxbm.core import precision as precisions
from jaxbm.privacy import dpsgd
from jaxbm.run import conversions
from jaxbm.run.conversions import Loss, Metric
from jaxbm.run.option import EXECUTION, NUMBER, OPTIMIZER, REQUIRED, ROWS, START, STATIC, Option


class TrainingOptions(TypedDict, total=False):
    """The keyword arguments that `fit` and its many-member forms share."""

    loss: Required[
        Annotated[
            str | Loss,
            Option(
                REQUIRED,
                STATIC,
                "a name from `jaxbm.losses.LOSSES`, with hyper-parameters where it has some "
                "(`pinball_loss(quantiles=0.9)`), or a function `(logits, labels) -> [n]`, `[n, out]` being averaged "
                "over outputs. With one output and labels `[n]`, logits come as `[n]`. Labels are whatever the "
                "function takes: an array `[n, ...]` or a pytree of such. One that compares rows with each other "
                "takes `weights` by name alone, `[n]` or None.",
                convert=conversions.loss_function,
            ),
        ]
    ]
    optimizer: Annotated[
        Any,
        Option(
            None,
            OPTIMIZER,
            "from `jaxbm` or Optax; `jaxbm.adam(1e-3)` by default. An Optax optimizer is functions, so a new one "
            "compiles anew; ours is data and doesn't.",
            many="from `jaxbm`, with numbers or `[M]` for any hyper-parameter, `jaxbm.adam(rates)`; or from Optax.",
        ),
    ]
    epochs: Annotated[
        ArrayLike,
        Option(
            10,
            NUMBER,
            "passes over the training rows.",
            many="passes over the training rows: a number, or each member's own `[M]`.",
            low=1,
            whole=True,
        ),
    ]
    batch_size: Annotated[
        int,
        Option(
            32,
            STATIC,
            "rows per step; the last batch of an epoch may be smaller. More than n rows means one batch.",
            convert=conversions.batch_size,
            searched=True,
        ),
    ]
    validation_split: Annotated[
        float,
        Option(
            0.0,
            ROWS,
            "fraction of the rows, taken from the end before shuffling (as in Keras), to validate on.",
        ),
    ]
    validation_data: Annotated[
        Sequence[ArrayLike] | None,
        Option(
            None,
            ROWS,
            "`(x, y)` or `(x, y, weight)` to validate on instead.",
            many="`(x, y)` or `(x, y, weight)` to validate on instead, shared by all members.",
        ),
    ]
    rows: Annotated[
        Any,
        Option(
            None,
            ROWS,
            "int `[k]`, the rows of `x` and `y` to train on, all by default. Under `vmap` members may differ in "
            "their rows while they share the table, which is not copied.",
            many="rows of the table to train on: `[k]`, `[M, k]`, or M arrays of any lengths, such as folds.",
            no_parameter="a fold is passed as rows of its own",
        ),
    ]
    validation_rows: Annotated[
        Any,
        Option(
            None,
            ROWS,
            "int `[k]`, rows of `x` and `y` to validate on instead.",
            many="rows to validate on instead: `[k]`, `[M, k]` or M arrays.",
            no_parameter="as `validation_data`",
        ),
    ]
    bootstrap: Annotated[
        bool,
        Option(
            False,
            STATIC,
            "draw the training rows with replacement, once, from the key; as many as there are.",
            many="each member draws its rows with replacement (bagging).",
            convert=checks.flag,
        ),
    ]
    sample_weight: Annotated[
        ArrayLike | None,
        Option(
            None,
            ROWS,
            "nonnegative `[n]`, of the rows trained and validated on; `validation_data` brings its own.",
            many="nonnegative `[n]` or `[M, n]`, of the rows trained and validated on; `validation_data` brings its "
            "own.",
        ),
    ]
    class_weight: Annotated[
        Mapping[int, float] | ArrayLike | str | None,
        Option(
            None,
            ROWS,
            '`{class: weight}`, an array `[classes]` or "balanced" (rows over classes times rows of the class, of '
            "those trained on); multiplies `sample_weight` of the rows trained on, not of those validated on (as in "
            "Keras). Labels must name classes: integers, 0 and 1, or -1 and 1, where a mapping may call -1 class 0.",
            many='`{class: weight}`, an array `[classes]` or "balanced", which counts the rows that a member trains '
            "on; multiplies `sample_weight` of the rows trained on, not of those validated on (as in Keras). Labels "
            "must name classes: integers, 0 and 1, or -1 and 1, where a mapping may call -1 class 0.",
        ),
    ]
    metrics: Annotated[
        Sequence[str | Metric] | Mapping[str, str | Metric],
        Option(
            (),
            STATIC,
            "names or functions of `jaxbm.metrics`, functions of your own `(logits, labels, weights)`, or a mapping "
            "from names to these; measured at the end of each epoch over all training and validation rows.",
            convert=conversions.metric_functions,
            no_parameter="scikit-learn's scorers measure",
        ),
    ]
    shuffle: Annotated[bool, Option(True, STATIC, "a new order of the rows in each epoch.", convert=checks.flag)]
    patience: Annotated[
        ArrayLike | None,
        Option(
            None,
            NUMBER,
            "stop after that many epochs without a new best validation loss (training loss without validation; or "
            "what `monitor` says), and return the best epoch's parameters.",
            low=1,
            whole=True,
        ),
    ]
    monitor: Annotated[
        str,
        Option(
            "val_loss",
            STATIC,
            'the value that says which epoch is the best; "loss", "val_loss" or one of `metrics`, with "val_" '
            'before its name on the rows validated on. Without validation "val_loss" means "loss".',
            convert=conversions.monitor,
            no_parameter="the training loss, or with `early_stopping` the score",
        ),
    ]
    monitor_mode: Annotated[
        str,
        Option(
            "auto",
            STATIC,
            '"min" or "max", whether less or more of `monitor` is better; "auto" knows it of losses and of our '
            "metrics.",
            convert=conversions.mode,
            no_parameter="the same",
        ),
    ]
    min_delta: Annotated[ArrayLike, Option(0.0, NUMBER, "how much better counts as better.", beside="patience")]
    l2: Annotated[
        ArrayLike | None,
        Option(
            None,
            NUMBER,
            "adds `l2 * sum(weight**2)` over all weights, not biases, to the loss that is descended (Keras's "
            "convention); the reported loss leaves it out.",
        ),
    ]
    clip_norm: Annotated[ArrayLike | None, Option(None, NUMBER, "largest global norm of a gradient.")]
    dropout: Annotated[
        ArrayLike | None,
        Option(None, NUMBER, "probability in `[0, 1)` of dropping a hidden unit.", high=1.0, open_high=True),
    ]
    augment: Annotated[
        Callable[[Array, Array, Array], tuple[Array, Array]] | None,
        Option(
            None,
            STATIC,
            "a hashable function `(key, x, y) -> (x, y)` for each batch, see `jaxbm.augment`.",
            convert=conversions.augmentation,
            no_parameter="no table has one in scikit-learn",
        ),
    ]
    privacy: Annotated[
        dpsgd.DPSGD | None,
        Option(
            None,
            STATIC,
            "`jaxbm.DPSGD(...)`, differentially private training: the parameters tell little of any one row. Runs by "
            "XLA or as a native function; see the guide to privacy for what it covers.",
            convert=dpsgd.checked,
            no_parameter="a table's preparation in a pipeline would not be covered",
        ),
    ]
    precision: Annotated[
        str | None,
        Option(
            None,
            STATIC,
            'the least precision of matrix products of float32; "highest" (float32), "tf32" or "bfloat16", where a '
            "device has something faster than float32. None is JAX's own setting, by default TF32 on a GPU, with "
            "which parameters drift by a per cent or two in some hundred steps. CPUs always compute in float32.",
            convert=precisions.checked,
        ),
    ]
    params: Annotated[
        Any,
        Option(
            None,
            START,
            "parameters to start from; fresh by default. They stay valid: the run works on copies of its own.",
            many="parameters to start from, shared or with a leading M; fresh by default.",
        ),
    ]
    opt_state: Annotated[
        Any,
        Option(
            None,
            START,
            "the optimizer's state to start from; fresh by default.",
            many="the optimizer's state to start from, shared or with a leading M; fresh by default.",
        ),
    ]
    implementation: Annotated[
        str | None,
        Option(None, EXECUTION, "a name, see `jaxbm.kernels.explain`; None for the fastest valid one."),
    ]


def _described() -> dict[str, Option]:
    options = dict[str, Option]()
    for name, hint in typing.get_type_hints(TrainingOptions, include_extras=True).items():
        inner = typing.get_args(hint)[0] if typing.get_origin(hint) is Required else hint
        options[name] = typing.get_args(inner)[-1]
    return options


OPTIONS = _described()
"""Name -> `Option`, in the order of the description."""


def of_role(*roles: str) -> tuple[str, ...]:
    """The names of the options with these roles."""
    return tuple(name for name, option in OPTIONS.items() if option.role in roles)


STATICS = of_role(STATIC)
NUMBERS = of_role(NUMBER)
"""Numbers of the run itself, beside those of its optimizer."""
SEARCHED = (*NUMBERS, *(name for name in STATICS if OPTIONS[name].searched))
"""What a sweep may search, beside the optimizer and the architecture."""
