"""A trained network behind HTTP, and a page to try it on.

`app.py` is the server of one artefact, and `demo.py` the page over several. `requests.py` turns what comes in into raw
input, `schemas.py` says what that is like, `batches.py` computes requests together, and `replies.py` turns answers into
what goes out. `doors.py` holds the two commands.

Nothing here opens a path or an address that a request names.
"""
