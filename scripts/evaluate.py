"""Compute metrics again and compare: python scripts/evaluate.py weights=all (exit code 1 where they differ)"""

from zoo.cli import main

if __name__ == "__main__":
    main("evaluate")
