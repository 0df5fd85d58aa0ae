"""Measure speed and quality on this machine: python scripts/benchmark.py suite=training"""

from zoo.cli import main

if __name__ == "__main__":
    main("benchmark")
