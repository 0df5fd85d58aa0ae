"""Speed and quality on this machine, beside other libraries: a file a suite, each with a function `run(root)`."""
