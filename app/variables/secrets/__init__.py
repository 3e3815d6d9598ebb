"""Secrets: metadata here, values in Vault, and the two kept in step."""
