"""Strongroom: use secrets without anybody seeing them."""

import os

# numpy's linear algebra, which nothing here uses, would start a thread for each core as soon as it is imported: one
# that takes signals, runs on any core and can't be forked.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

__version__ = "0.1.0"
