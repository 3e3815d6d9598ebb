"""Vault as code: the policy files, what they may say, and what differs from the live Vault."""
