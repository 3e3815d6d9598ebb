"""Variables and secrets: everything about them but a secret's value."""
