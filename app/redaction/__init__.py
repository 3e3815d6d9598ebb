"""Finding a value in bytes, however it is written."""
