"""The door to the world: where a call may go, writing it, sending it; what comes back leaves this room redacted."""
