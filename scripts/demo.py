"""Try networks in a browser: python scripts/demo.py (see conf/use/demo.yaml)"""

from zoo.cli import main

if __name__ == "__main__":
    main("demo")
