"""For torch.hub: `torch.hub.load("OWNER/REPOSITORY", "load", "cnn.digits")`, with the repository's address on GitHub.

`load` gives the artefact, which answers raw input; `create_model` the bare network. Both are those of `zoo`.
"""

dependencies = ["torch", "safetensors", "numpy", "PIL"]

from zoo import create_model, list_weights, load  # noqa: E402, F401  (torch.hub reads `dependencies` first)
