#!/bin/sh
# Software:  httpx 0.28.1, aiohttp 3.14.5, requests 2.34.2 with urllib3 (all PyPI).
# Guess:     `Content-Encoding: x-gzip` is `gzip` under its older name: a recipient should treat the two alike (RFC 9110, section
#            8.4.1.3). Old servers and gateways write it still, and whoever configures Apache by its manual's own example for files
#            that are compressed already (`AddEncoding x-gzip .gz`) does so. A client decodes it, or raises.
# Happens:   requests decodes. httpx and aiohttp hand over the compressed bytes, with status 200 and without a word; what comes next
#            is a UnicodeDecodeError or a JSONDecodeError in the caller's code. aiohttp does the same with `gzip, gzip`, a list of
#            codings, which the field is by its grammar; httpx and requests undo both.
# Why it matters: whoever looks an answer through (for a credential, a keyword, a size) and trusts the client for the decoding looks
#            at noise, finds nothing, and passes the answer on to somebody whose client does decode it.
# Read:      httpx's `_decoders.py` (`SUPPORTED_DECODERS` has gzip, deflate, br, zstd, identity); aiohttp's HTTP parser compares the
#            whole field with the names that it knows.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check install --quiet httpx==0.28.1 aiohttp==3.14.5 requests==2.34.2
cat > "$folder/ask.py" <<'PY'
import asyncio
import gzip
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import aiohttp
import httpx
import requests

ONCE = gzip.compress(b"text")
ANSWERS = {"/gzip": ("gzip", ONCE), "/x-gzip": ("x-gzip", ONCE), "/list": ("gzip, gzip", gzip.compress(ONCE))}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        coding, body = ANSWERS[self.path]
        self.send_response(200)
        self.send_header("Content-Encoding", coding)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


async def by_aiohttp(url):
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return await answer.read()


def told(content):
    return "decoded" if content == b"text" else "left as it came" if content[:2] == b"\x1f\x8b" else repr(content)


server = HTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
plain = requests.Session()
plain.trust_env = False
for path in ANSWERS:
    url = f"http://127.0.0.1:{server.server_port}{path}"
    print(path, "requests:", told(plain.get(url).content))
    print(path, "httpx:", told(httpx.get(url, trust_env=False).content))
    print(path, "aiohttp:", told(asyncio.run(by_aiohttp(url))))
server.shutdown()
PY
"$folder/venv/bin/python" "$folder/ask.py" | tee "$folder/seen"
# Seen:
#   /gzip requests: decoded
#   /gzip httpx: decoded
#   /gzip aiohttp: decoded
#   /x-gzip requests: decoded
#   /x-gzip httpx: left as it came
#   /x-gzip aiohttp: left as it came
#   /list requests: decoded
#   /list httpx: decoded
#   /list aiohttp: left as it came
test "$(grep -c "^/gzip .*: decoded$" "$folder/seen")" = 3 || { echo "Not all decode gzip: this run says nothing." >&2; exit 1; }
grep -q "^/x-gzip requests: decoded$" "$folder/seen" || { echo "requests no longer decodes x-gzip." >&2; exit 1; }
for line in "/x-gzip httpx" "/x-gzip aiohttp" "/list aiohttp"; do
    grep -q "^$line: left as it came$" "$folder/seen" || { echo "$line: no longer left as it came." >&2; exit 1; }
done
