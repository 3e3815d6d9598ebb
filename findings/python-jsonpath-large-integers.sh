#!/bin/sh
# Software:  python-jsonpath 2.2.2 (PyPI), RFC 9535.
# Guess:     JSON integers in Python have any size, and `json.loads` keeps each as it is written. An integer in a filter is read as
#            the integer that it is, so `$.messages[?@.id == 1157423086294958081]` finds the message with this id.
# Happens:   An integer literal is read through a float. Beyond 2^53 it becomes another integer, so the filter finds the item with
#            that id: here its neighbour, elsewhere nothing.
# Why it matters: ids of many services (X, Discord, Mastodon: "snowflakes") are integers of 18 or 19 digits, and often lie next to one
#            another. A path that takes a value out of an answer takes another item's, without a word.
# Read:      RFC 9535, 2.3.5 (a literal is a JSON number); the library's documentation of filter selectors.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check install --quiet python-jsonpath==2.2.2
cat > "$folder/find.py" <<'PY'
import json

import jsonpath

document = json.loads(
    '{"messages": [{"id": 1157423086294958080, "text": "the first"}, {"id": 1157423086294958081, "text": "the second"}]}'
)
for path in ("$.messages[?@.id == 1157423086294958080].text", "$.messages[?@.id == 1157423086294958081].text"):
    print(path, jsonpath.findall(path, document), "read as", jsonpath.compile(path))
PY
seen=$("$folder/venv/bin/python" "$folder/find.py")
echo "$seen"
# Seen:
#   $.messages[?@.id == 1157423086294958080].text ['the first'] read as $['messages'][?@['id'] == 1157423086294958080]['text']
#   $.messages[?@.id == 1157423086294958081].text ['the first'] read as $['messages'][?@['id'] == 1157423086294958080]['text']
case "$seen" in
*"080].text ['the first']"*"081].text ['the first']"*) ;;
*) echo "An integer literal of 19 digits is no longer read through a float." >&2; exit 1 ;;
esac
