#!/bin/sh
# Software:  Granian 2.8.7 (PyPI), HTTP/1, ASGI interface.
# Guess:     `--http1-header-read-timeout`, "sets a timeout (in milliseconds) to read headers", runs from the first byte of a
#            request's head to its last. A kept connection on which nothing has been asked yet has no head to be read, and is
#            left alone: keep-alive has a switch of its own.
# Happens:   The timeout runs from the end of the answer before. A connection that idles for longer is closed by the server,
#            without a word, and there is no other setting for how long a kept connection may idle.
# Why it matters: whoever sets a few seconds here, against clients that send their heads slowly, also sets how long a proxy in
#            front may keep its connections. A proxy that keeps them for longer (nginx: 60 s) sends its next request on one that
#            is being closed; it may not repeat a POST, so its client gets a 502 for nothing. The proxy's own keep-alive has to
#            be the shorter one.
# Read:      `granian --help`; hyper's documentation of `header_read_timeout`.
set -eu
folder=$(mktemp -d)
server=
end() { test -z "$server" || kill "$server" 2>/dev/null || true; rm -rf "$folder"; }
trap end EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check install --quiet granian==2.8.7
cat > "$folder/app.py" <<'PY'
async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})
PY
cat > "$folder/ask.py" <<'PY'
import socket, sys, time

port, idle = int(sys.argv[1]), float(sys.argv[2])
for _ in range(100):
    try:
        connection = socket.create_connection(("127.0.0.1", port), 10)
        break
    except OSError:
        time.sleep(0.1)
connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
first = connection.recv(4096)
assert first.startswith(b"HTTP/1.1 200") and first.endswith(b"ok"), first
time.sleep(idle)  # nothing is being sent: no head has begun
try:
    connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    print("answered" if connection.recv(4096) else "closed")
except ConnectionError:
    print("closed")
PY
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cd "$folder"
venv/bin/granian --interface asgi --http 1 --port "$port" --http1-header-read-timeout 2000 app:app >server.log 2>&1 &
server=$!
soon=$(venv/bin/python ask.py "$port" 0.5)
late=$(venv/bin/python ask.py "$port" 4)
echo "after 0.5 s of idling: $soon"
echo "after 4 s of idling, with a head timeout of 2 s: $late"
# Seen:
#   after 0.5 s of idling: answered
#   after 4 s of idling, with a head timeout of 2 s: closed
test "$soon" = answered || { echo "The second request on a kept connection wasn't answered at all: this run says nothing." >&2; exit 1; }
test "$late" = closed || { echo "Granian no longer closes a connection that idles for longer than its head timeout." >&2; exit 1; }
