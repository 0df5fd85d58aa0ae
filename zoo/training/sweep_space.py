"""What a sweep is over: values of overrides that stand for many, in Hydra's words and three shorter ones.

log(a,b)         a number between a and b, as likely in each power of ten
uniform(a,b)     a number between a and b (Hydra: interval)
int(a,b)         a whole number, both ends included
choice(a,b,c)    one of these (or simply a,b,c)
range(a,b,step)  of Hydra: from a in steps, without b
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep, Transformer
from hydra.errors import HydraException

from zoo.errors import ConfigError
from zoo.files import one_line, quoted
from zoo.training import compose

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

WORDS = {"log": "tag(log,interval({}))", "uniform": "interval({})", "int": "int(interval({}))"}
FORMS = "log(1e-4,1e-1), uniform(0,0.5), int(1,4) or choice(16,32)"


@dataclass(frozen=True)
class Space:
    """What is the same in all runs of a sweep, and what is not.

    Args:
        fixed: overrides.
        ranges: Optuna's distributions by the name of the setting; those of choices hold texts of overrides.
    """

    fixed: list[str]
    ranges: dict[str, BaseDistribution]


def read(overrides: Sequence[str]) -> Space:
    """Tell ranges from plain overrides.

    Raises:
        ConfigError: a range that cannot be read or is none, or no range at all.
    """
    fixed: list[str] = []
    ranges: dict[str, BaseDistribution] = {}
    for override in overrides:
        parsed = _parsed(override)
        if parsed.is_sweep_override():
            ranges[override.partition("=")[0]] = _distribution(parsed, override)
        else:
            fixed.append(override)
    if not ranges:
        raise ConfigError(f"a sweep is over a range: give a setting as {FORMS}, such as 'task.optimizer.lr=log(…)'")
    return Space(fixed, ranges)


def chosen(values: dict[str, object]) -> list[str]:
    """The values of a trial as overrides."""
    return [f"{name}={value}" for name, value in values.items()]


def _parsed(override: str) -> Override:
    name, _, value = override.partition("=")
    short = re.fullmatch(r"(log|uniform|int)\(([^()]*,[^()]*)\)", value.strip())
    try:
        return OverridesParser.create().parse_override(
            f"{name}={WORDS[short[1]].format(short[2])}" if short else override
        )
    except HydraException as error:
        if "(" in value:
            fault = f"cannot read the range in '{override}'; write it as {FORMS}"
        else:
            fault = compose.one_line(error)
        raise ConfigError(one_line(fault)) from error


def _distribution(parsed: Override, override: str) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    sweep = parsed.value()
    try:
        if isinstance(sweep, IntervalSweep):
            low, high = sweep.start, sweep.end
            if not isinstance(low, int | float) or not isinstance(high, int | float) or not low < high:
                raise ValueError("its ends are two numbers, the smaller first")
            log = "log" in sweep.tags
            if log and low <= 0:
                raise ValueError("a logarithmic range begins above 0")
            if isinstance(low, int) and isinstance(high, int) and "int(" in override:
                return IntDistribution(low, high, log=log)
            return FloatDistribution(float(low), float(high), log=log)
        if isinstance(sweep, RangeSweep) and not all(
            isinstance(end, int | float) for end in (sweep.start, sweep.stop, sweep.step)
        ):
            raise ValueError("its ends and step are numbers")
        choices = [str(one) for one in parsed.sweep_iterator(transformer=Transformer.encode)]
        if not choices:
            raise ValueError("it holds nothing")
        return CategoricalDistribution(choices)
    except ValueError as error:
        raise ConfigError(one_line(f"the range {quoted(override)}: {error}; write it as {FORMS}")) from error
