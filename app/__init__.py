"""Strongroom: use secrets without anybody seeing them."""

__version__ = "0.1.0"
