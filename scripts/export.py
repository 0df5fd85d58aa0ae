"""Export a trained network: python scripts/export.py model=cnn.mnist format=onnx (or torchscript, torch_export)"""

from zoo.cli import main

if __name__ == "__main__":
    main("export")
