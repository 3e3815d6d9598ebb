"""The record: who did what, when, to what, and how it ended."""
