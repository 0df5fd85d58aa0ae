"""Put runs side by side, with intervals: python scripts/compare.py runs/a runs/b"""

from zoo.cli import main

if __name__ == "__main__":
    main("compare")
