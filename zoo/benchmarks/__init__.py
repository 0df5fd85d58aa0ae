"""Speed and quality on this machine, beside others: a file a suite, each with a function `run(root)`."""
