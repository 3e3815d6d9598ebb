"""What every room may use: the type that hides a value, the errors, the clock. Imports nothing of ours."""
