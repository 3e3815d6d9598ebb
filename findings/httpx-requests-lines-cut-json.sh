#!/bin/sh
# Software:  httpx 0.28.1, requests 2.34.2 (PyPI).
# Guess:     The lines of NDJSON end with a line feed and nothing else (ndjson-spec, "Serialization"), and a JSON string may hold U+2028 and
#            U+0085 as they are (RFC 8259, section 7): JavaScript's `JSON.stringify`, orjson and `ensure_ascii=False` write them so.
#            `iter_lines()` of a streamed answer, the way in which both clients' users read NDJSON, gives one document a line.
# Happens:   httpx's `iter_lines()` and requests' `iter_lines(decode_unicode=True)` end a line at each character that Python's `str.splitlines`
#            ends one at. A document with such a character comes as two pieces, neither of which is JSON. requests without
#            `decode_unicode` splits bytes and gives whole lines.
# Why it matters: a model's answer, a chat message or a product's text holds U+2028 as soon as somebody pasted it from a word processor. The
#            stream then fails in the reader's JSON parser, on valid data, once in many thousand answers. Who reads a stream line
#            by line has to split bytes at line feeds by hand.
# Read:      httpx's `_decoders.py` (`LineDecoder`), requests' `models.py` (`iter_lines`).
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check install --quiet httpx==0.28.1 requests==2.34.2
cat > "$folder/ask.py" <<'PY'
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import requests

DOCUMENTS = [{"text": "one\u2028two"}, {"text": "three\u0085four"}, {"text": "five"}]
BODY = "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in DOCUMENTS).encode()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "application/x-ndjson; charset=utf-8")
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, *args):
        pass


def told(lines):
    whole = 0
    for line in lines:
        try:
            json.loads(line)
            whole += 1
        except json.JSONDecodeError:
            pass
    return f"{len(lines)} lines, {whole} of them JSON"


server = HTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}/"
plain = requests.Session()
plain.trust_env = False
with httpx.stream("GET", url, trust_env=False) as answer:
    print("httpx iter_lines():", told(list(answer.iter_lines())))
print("requests iter_lines(decode_unicode=True):", told(list(plain.get(url, stream=True).iter_lines(decode_unicode=True))))
print("requests iter_lines():", told(list(plain.get(url, stream=True).iter_lines())))
server.shutdown()
PY
"$folder/venv/bin/python" "$folder/ask.py" | tee "$folder/seen"
# Seen:
#   httpx iter_lines(): 5 lines, 1 of them JSON
#   requests iter_lines(decode_unicode=True): 5 lines, 1 of them JSON
#   requests iter_lines(): 3 lines, 3 of them JSON
grep -q "^requests iter_lines(): 3 lines, 3 " "$folder/seen" || { echo "requests doesn't split bytes as it did: this run says nothing." >&2; exit 1; }
grep -q "^httpx iter_lines(): 5 lines, 1 " "$folder/seen" || { echo "httpx no longer cuts documents." >&2; exit 1; }
grep -q "^requests iter_lines(decode_unicode=True): 5 lines, 1 " "$folder/seen" || { echo "requests no longer cuts documents." >&2; exit 1; }
