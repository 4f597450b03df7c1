"""Which options of a training run a function takes: its signature and docstring, and the check of what came.

A function takes them as `**options: Unpack[TrainingOptions]`, which type checkers and editors read. For people,
`Accepts.documented` puts the options, one by one, into its signature and the section "Args" of its docstring.
"""

import inspect
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from jaxbm.core.names import suggestion
from jaxbm.run.option import REQUIRED
from jaxbm.run.options import OPTIONS
from jaxbm.run.training import Training

Function = TypeVar("Function", bound=Callable[..., Any])
MARK = "**options:"
WIDTH = 118


@dataclass(frozen=True)
class Accepts:
    """The options of one function.

    Args:
      function: its name.
      many: it trains many members, which may differ in what `Option.many` says.
      without: options that it doesn't take, since it decides them itself.
      defaults: its own defaults, where they differ.
      texts: its own meanings, where they differ.
      why: of an option that it doesn't take, why, and what to do instead.
    """

    function: str
    many: bool = False
    without: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    why: Mapping[str, str] = field(default_factory=dict)
    own: list[str] = field(default_factory=list, init=False)
    """parameters of the function beside them, once it is documented"""

    @property
    def names(self) -> tuple[str, ...]:
        """The options it takes, in the order of the description."""
        return tuple(name for name in OPTIONS if name not in self.without)

    def default(self, name: str) -> Any:
        """What an option is where nobody says."""
        return self.defaults.get(name, OPTIONS[name].default)

    def training(self, options: Mapping[str, Any]) -> Training:
        """The description of a run with these options, defaults filled in.

        Raises:
          TypeError: an option is unknown, or a required one is missing.
        """
        for name in options:
            if name not in self.names:
                hint = f"; {self.why[name]}" if name in self.why else suggestion(name, [*self.own, *self.names])
                raise TypeError(f"{self.function}() got an unexpected keyword argument {name!r}{hint}")
        for name in self.names:
            if name not in options and self.default(name) is REQUIRED:
                raise TypeError(f"{self.function}() missing 1 required keyword-only argument: {name!r}")
        return Training(**{**self.defaults, **options})

    def documented(self, function: Function) -> Function:
        """Show the options in the function's signature and docstring."""
        shown = inspect.signature(function)
        own = [p for p in shown.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
        self.own.extend(p.name for p in own)
        taken = [self._parameter(name) for name in self.names]
        after = [p for p in own if p.kind is inspect.Parameter.KEYWORD_ONLY]
        parameters = [*own[: len(own) - len(after)], *taken, *after]
        doc = self._doc(function.__doc__) if function.__doc__ else None  # there is none with python -OO
        both: tuple[Any, ...] = (function, inspect.unwrap(function))  # some who document look below what decorates
        for one in both:
            one.__signature__ = shown.replace(parameters=parameters)
            one.__doc__ = doc
        return function

    def _parameter(self, name: str) -> inspect.Parameter:
        # Without its type, which `TrainingOptions` has for those who want it: spelled out, they bury the names.
        default = inspect.Parameter.empty if self.default(name) is REQUIRED else self.default(name)
        return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default)

    def _text(self, name: str) -> str:
        option = OPTIONS[name]
        return self.texts.get(name) or (option.many if self.many and option.many else option.help)

    def _doc(self, doc: str) -> str:
        lines = doc.splitlines()
        at = next(i for i, line in enumerate(lines) if line.strip().startswith(MARK))
        indent = lines[at][: len(lines[at]) - len(lines[at].lstrip())]
        end = next(i for i in range(at + 1, len(lines)) if not lines[i].startswith(indent + " "))
        told = [
            line
            for name in self.names
            for line in textwrap.wrap(
                f"{name}: {self._text(name)}",
                WIDTH,
                initial_indent=indent,
                subsequent_indent=indent + "  ",
                break_long_words=False,
                break_on_hyphens=False,
            )
        ]
        return "\n".join([*lines[:at], *told, *lines[end:]])
