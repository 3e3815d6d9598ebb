"""Requests that came with an ``Idempotency-Key``, and what came of them: a repeat is answered, not done again."""
