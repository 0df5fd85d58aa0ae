"""Publish a finished run: python scripts/publish.py run=runs/… name=cnn.digits licence=Apache-2.0"""

from zoo.cli import main

if __name__ == "__main__":
    main("publish")
