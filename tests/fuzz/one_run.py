"""The command `zoo train` in a fork, by `runpy`: it is given `arguments`, and `output` for what it prints."""

import os
import sys

from zoo.cli import main

arguments: list[str]
output: str

with open(output, "a") as file:
    for stream in (1, 2):
        os.dup2(file.fileno(), stream)
sys.argv = ["zoo", *arguments]
main("train")
