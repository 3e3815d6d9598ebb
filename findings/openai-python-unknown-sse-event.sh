#!/bin/sh
# Software:  openai 3.57.0 (PyPI, the Python SDK), a streamed chat completion.
# Guess:     The stream is server-sent events. An event of a type that a client has no listener for is left out, as the HTML standard has it,
#            so a gateway may add one of its own (`event: notice`) without harm to clients that don't know it.
# Happens:   Every event is taken for a chunk, whatever its type: the loop gets a `ChatCompletionChunk` whose `id`, `object` and `choices` are None,
#            though their types say that they never are. `chunk.choices[0]` raises TypeError in the middle of an answer.
# Why it matters: whatever stands between such a client and its provider can't tell it anything in the stream, not even that the stream
#            ends early, but by an event that the client takes for a piece of the answer, or by cutting the connection.
# Read:      the HTML standard, "Interpreting an event stream" (9.2.6); the SDK's README, "Streaming responses".
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check install --quiet openai==3.57.0
cat > "$folder/chat.py" <<'PY'
import http.server
import json
import threading

from openai import OpenAI


def chunk(text):
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
    whole = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    return f"data: {json.dumps(whole)}\n\n"


BODY = (chunk("Hel") + 'event: notice\ndata: {"text": "of another kind"}\n\n' + chunk("lo") + "data: [DONE]\n\n").encode()


class Provider(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Provider)
threading.Thread(target=server.serve_forever, daemon=True).start()
client = OpenAI(api_key="none", base_url=f"http://127.0.0.1:{server.server_address[1]}/v1", max_retries=0)
messages = [{"role": "user", "content": "Say hello."}]
for each in client.chat.completions.create(model="m", messages=messages, stream=True):
    print(type(each).__name__, "choices:", each.choices and each.choices[0].delta.content)
PY
seen=$("$folder/venv/bin/python" "$folder/chat.py")
echo "$seen"
# Seen:
#   ChatCompletionChunk choices: Hel
#   ChatCompletionChunk choices: None
#   ChatCompletionChunk choices: lo
test "$seen" = "ChatCompletionChunk choices: Hel
ChatCompletionChunk choices: None
ChatCompletionChunk choices: lo" || { echo "An event of another type is no longer taken for a chunk." >&2; exit 1; }
