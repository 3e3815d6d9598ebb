"""What every room may use: the type that hides a value, the errors, the clock, ``UNSET``. Imports nothing of ours."""
