"""The soak: a mixed load on the whole installation while one thing after the other breaks."""
