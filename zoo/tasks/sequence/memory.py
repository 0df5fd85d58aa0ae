"""The adding problem, a test of long memory.

Hochreiter and Schmidhuber, "Long short-term memory", 1997. The copy problem is `Tagging`.
"""

from __future__ import annotations

from zoo.tasks.supervised import Regression


class Adding(Regression):
    """The sum of values that were given long ago; the baseline is to answer their mean.

    Args and metrics as in `Regression`.
    """
