#!/bin/sh
# Software:  httpx 0.28.1, requests 2.34.2 with urllib3, PycURL 7.49.0 with its own libcurl 8.23.0 (all PyPI).
# Guess:     `Content-Encoding: gzip` is the gzip file format (RFC 9110, section 8.4.1.3), and a gzip file may be several members
#            in a row that read as one (RFC 1952, section 2.2). Servers send such files as they lie there: logs that were appended
#            to, what bgzip or `cat a.gz b.gz` wrote. A client reads all members, or says that it can't.
# Happens:   requests reads both members. libcurl hands over the first and then fails ("Multi-member gzip response not supported").
#            httpx hands over the first member, drops all others, and raises nothing: the status is 200, and the answer ends early.
# Why it matters: the SDKs of several model vendors stand on httpx. Whoever puts a proxy before them that decodes (to look through
#            an answer, to log it, to cut it at a size) sees more than the client behind it would have; and who takes the proxy
#            away loses what came after the first member without any error.
# Read:      httpx's `_decoders.py` makes one `zlib.decompressobj` and never asks for `unused_data`.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check install --quiet httpx==0.28.1 requests==2.34.2 pycurl==7.49.0
cat > "$folder/ask.py" <<'PY'
import gzip
import io
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pycurl
import requests

BODY = gzip.compress(b"first,") + gzip.compress(b"second")
assert gzip.decompress(BODY) == b"first,second"  # what it is by the format


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, *args):
        pass


server = HTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}/"
plain = requests.Session()
plain.trust_env = False
print("requests:", plain.get(url).content)
print("httpx:", httpx.get(url, trust_env=False).content)
out, handle = io.BytesIO(), pycurl.Curl()
handle.setopt(handle.URL, url)
handle.setopt(handle.NOPROXY, "*")
handle.setopt(handle.ACCEPT_ENCODING, "gzip")
handle.setopt(handle.WRITEDATA, out)
try:
    handle.perform()
    print("libcurl:", out.getvalue())
except pycurl.error as error:
    print("libcurl:", out.getvalue(), error.args)
server.shutdown()
PY
"$folder/venv/bin/python" "$folder/ask.py" | tee "$folder/seen"
# Seen:
#   requests: b'first,second'
#   httpx: b'first,'
#   libcurl: b'first,' (23, 'Multi-member gzip response not supported')
grep -q "^requests: b'first,second'$" "$folder/seen" || { echo "requests no longer reads both members: this run says nothing." >&2; exit 1; }
grep -q "^httpx: b'first,'$" "$folder/seen" || { echo "httpx no longer drops what follows the first member." >&2; exit 1; }
grep -q "^libcurl: b'first,' (23, " "$folder/seen" || { echo "libcurl no longer fails after the first member." >&2; exit 1; }
