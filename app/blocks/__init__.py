"""API blocks: saved outbound calls, and the path that a call takes."""
