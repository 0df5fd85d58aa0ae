"""Read scans and PDFs: python scripts/read.py input='scans/*.pdf' (see conf/use/read.yaml)"""

from zoo.cli import main

if __name__ == "__main__":
    main("read")
