"""Answer over HTTP: python scripts/serve.py model=cnn.mnist port=8000 (see conf/use/serve.yaml)"""

from zoo.cli import main

if __name__ == "__main__":
    main("serve")
