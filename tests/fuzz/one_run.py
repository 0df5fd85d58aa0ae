"""The command `zoo train` in a fork, by `runpy`: it is given `arguments`, and `output` for what it prints."""

import os
import sys

from zoo.cli import main

with open(output, "a") as file:  # noqa: F821
    for stream in (1, 2):
        os.dup2(file.fileno(), stream)
sys.argv = ["zoo", *arguments]  # noqa: F821
main("train")
