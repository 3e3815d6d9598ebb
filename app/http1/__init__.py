"""HTTP/1.1 for both doors: kept connections, one request and its answer, every wait bounded."""
