"""Vault as code: the policy files, what they may grant, and what differs from them in a live Vault."""
