"""Outbound calls: one call, saved or not, from its definition to its redacted response."""
