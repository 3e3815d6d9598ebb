"""Commands as documentation prints them: what a draft sends is what curl sends, and its credentials are out of it."""

# ruff: noqa: E501  (commands stand as they are printed)

from __future__ import annotations

import itertools
import json
import re
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest

from app.calls.curl_import import draft_of
from app.kernel.errors import ValidationFailed
from tests.support.service import Service, problem
from tests.support.upstream import Upstream

_numbers = itertools.count(1)
U = "http://127.0.0.1:PORT"
COMMANDS = [
    f"curl {U}/v1/things",
    f"curl '{U}/v1/things?limit=10&after=a%20b'",
    f'curl "{U}/search?q=a+b&lang=de"',
    f"curl -X DELETE {U}/v1/things/7",
    f"curl -XPUT {U}/v1/things/7 -d name=x",
    f"curl --request PATCH --url {U}/v1/things/7 --header 'content-type: application/json' --data '{{\"a\": [1, 2.5, null]}}'",
    f"curl -I {U}/head",
    f"curl --head {U}/head",
    f"curl {U}/v1/chat \\\n  -H 'Content-Type: application/json' \\\n  -H \"Authorization: Bearer sk-abcdefghijklmnop\" \\\n"
    "  -d '{\n     \"model\": \"m-4\",\n     \"messages\": [{\"role\": \"user\", \"content\": \"Say \\\"hi\\\"!\"}]\n   }'",
    f"curl {U}/v1/charges -u sk_test_4eC39HqLyjWDarjtT1zdp7dc: -d amount=2000 -d currency=usd -d 'metadata[order]=6735'",
    f"curl {U}/v1/charges -u sk_test_4eC39HqLyjWDarjtT1zdp7dc: -d \"description=My First Charge & more\"",
    f"curl -u me@example.com/token:abcdef0123456789 {U}/api/v2/tickets.json",
    f"curl -u me:secret-pass-1 -X POST {U}/rest/api/2/issue --data '{{\"fields\":{{\"project\":{{\"key\":\"TEST\"}}}}}}'"
    " -H 'Content-Type: application/json'",
    "curl 'http://me:pass-word-1@127.0.0.1:PORT/basic'",
    f"curl -L -H 'Accept: application/vnd.api+json' -H 'X-Api-Version: 2022-11-28' {U}/repos/o/r/issues",
    f"curl -G {U}/search --data-urlencode 'q=is:open label:\"a b\"' -d per_page=5",
    f"curl --get --data-urlencode 'query=SELECT Id FROM Account' {U}/services/data/v58.0/query",
    f"curl -G '{U}/search?fixed=1' -d a=1 -d b=2",
    f"curl {U}/form --data-urlencode 'text=50% & more = ü' --data-urlencode 'plain'",
    f"curl {U}/form --data-urlencode '=a=b'",
    f"curl --json '{{\"tool\": \"curl\"}}' {U}/json",
    f"curl --json '{{\"a\":' --json '1}}' {U}/json",
    f"curl {U}/upload -F title=Report -F 'note=two; three'",
    f"curl {U}/upload -F 'meta={{\"a\": 1}};type=application/json' -F name=x",
    f"curl {U}/upload --form-string 'name=@not-a-file;type=x'",
    f"curl {U}/graphql -H 'X-Shopify-Access-Token: shpat_0123456789abcdef' -H 'Content-Type: application/graphql' "
    "--data-binary '{ shop { name } }'",
    f"curl {U}/soap -H 'Content-Type: text/xml; charset=utf-8' -H 'SOAPAction: \"urn:Get\"' -d '<a><b>1 &amp; 2</b></a>'",
    f"curl {U}/raw -d '{{\"no\": \"content type\"}}'",
    f"curl {U}/raw -H 'Content-Type: text/plain' --data-raw 'a line\nand @another'",
    f"curl {U}/raw -H 'Content-Type:text/csv' --data-binary 'a,b\n1,2\n'",
    f"curl {U}/cookies -b 'session=abc123def456; theme=dark'",
    f"curl {U}/cookies --cookie 'session=abc123def456'",
    f"curl -A 'my-agent/1.0' -e 'https://example.com/' {U}/agent",
    f"curl {U}/key -H 'X-API-Key: 0123456789abcdef'",
    f"curl {U}/key -H 'Authorization: Token token=0123456789abcdef'",
    f"curl {U}/key -H 'Authorization: token ghp_0123456789abcdef'",
    f"curl {U}/key -H 'Authorization: Basic bWU6cGFzcy13b3Jk'",
    f"curl {U}/key -H 'PRIVATE-TOKEN: glpat-0123456789'",
    f"curl {U}/key -H 'DD-API-KEY: 0123456789abcdef' -H 'DD-APPLICATION-KEY: fedcba9876543210'",
    f"curl '{U}/maps?address=Berlin&key=AIzaSy0123456789'",
    f"curl '{U}/weather?q=London&appid=0123456789abcdef'",
    f"curl '{U}/t?access_token=EAAB0123456789&fields=id,name'",
    f"curl {U}/bot123456789:AAF0123456789abcdefghijk/sendMessage -d chat_id=1 -d text=hi",
    f"curl {U}/oauth/token -d grant_type=client_credentials -d client_id=abc -d client_secret=0123456789abcdef",
    f"curl {U}/login -H 'Content-Type: application/json' -d '{{\"username\":\"me\",\"password\":\"correct horse\"}}'",
    f"curl --oauth2-bearer 0123456789abcdef {U}/bearer",
    f"curl -sS -L -o out.json -w '%{{http_code}}' --compressed --fail {U}/quiet",
    f"curl -sSXPOST {U}/cluster -d@- <<'EOF'\n{{\"from\": \"stdin\"}}\nEOF",
    f"curl {U}/idempotent -H 'Idempotency-Key: 7c9e6679' -d a=1",
    f"curl $'{U}/ansi' -H $'X-Quote: it\\'s' --data-raw $'a\\tb\\u00e9' -H 'Content-Type: text/plain'",
    f'curl "{U}/dollar" -d "price=\\$5" -d "tick=\\`"',
    f"$ curl {U}/prompt | jq .",
    f"FOO=bar curl {U}/assigned # a comment",
    f"curl {U}/cluster-of-options -svXPOST -d x=1",
    f"curl {U}/empty -X POST -d ''",
    f"curl {U}/header-without-value -H 'X-Empty;'",
    f"curl '{U}/a%2Fb/c%20d;v=1?x=%2B&y'",
    f"curl --url-query 'a=b c' {U}/uq",
    f"curl -H 'Content-Type: application/merge-patch+json' -X PATCH -d '{{\"a\":null}}' {U}/merge",
    f"curl {U}/twice -d 'a=1&a=2' -d a=3",
    f"curl -d 'not=form' -d 'flag' {U}/flag",
    f"curl {U}/big -H 'Content-Type: application/json' -d '{{\"id\": 12345678901234567890, \"b\": true}}'",
    f"curl -H 'Accept: text/event-stream' {U}/fragment#part",
    f"curl -H \"X-Braces: {{{{not_ours}}}}\" {U}/braces",
    f"curl {U}/v1 --json '{{ \"t\": 1.10, \"big\": 1E3, \"u\": \"\\u00e9\\/\", \"m\": \"{{{{b}}}} \\u00e9\" }}'",
    f"curl {U}/v1 -H 'Content-Type: application/json; charset=utf-8' -d '{{\"password\":\"correct horse\"  }}'",
    f"curl {U}/v1 -H 'Content-Type: application/json' -d '[{{\"token\":\"abc/def==\"}},\n {{\"token\": \"other-token\"}}]'",
    f"curl {U}/v1 -H 'Content-Type: application/json' --data-raw '  null '",
    f"curl {U}/token -d 'client_secret=abc/def+x==' -d grant_type=client_credentials",
    f"curl {U}/token -d 'scope=a b' -d client_secret=abc/def==",
    f"curl {U}/token --data-urlencode 'client_secret=abc/def+x==' --data-urlencode 'scope=a b~*'",
    f"curl {U}/sms --data-urlencode 'Body=Hi there 100%' -d 'From=+15017122661' -d 'To=%2B15558675310' -u AC1:abcdefgh",
    f"curl {U}/form -d 'a=1&&b=%7e&flag&c=' -d 'd={{{{x}}}}'",
    f"curl {U}/form -H 'Content-Type: application/x-www-form-urlencoded; charset=UTF-8' -d 'q=caf%c3%a9'",
    f"curl {U}/form -d 'items[0][price]=p_1' -d 'items[0][quantity]=2' -d 'expand[]=a'",
    f"curl {U}/upload -F 'file=@-;filename=a \"b\".txt;type=text/plain' -F 'x=ü' <<'EOF'\none\ntwo\nEOF",
]  # fmt: skip


def _comparable(upstream: Upstream) -> dict[str, Any]:
    """Return what arrived: every header but those that name the client, the body byte for byte but for its boundary."""
    seen = upstream.seen[-1]
    ours = (
        "user-agent",
        "accept-encoding",
        "connection",
        "content-length",
    )  # a boundary is as long as its client likes
    headers = sorted((name.lower(), value) for name, value in seen.headers if name.lower() not in ours)
    body = seen.body
    if found := re.search(r"boundary=(\S+)", seen.header("Content-Type") or ""):
        headers = [(name, value.replace(found[1], "BOUNDARY")) for name, value in headers]
        body = body.replace(found[1].encode(), b"BOUNDARY")
    agent = seen.header("User-Agent") or "curl"
    url = urlsplit(seen.path)
    return {
        "method": seen.method, "headers": headers, "body": body,
        "path": unquote(url.path), "query": parse_qsl(url.query, keep_blank_values=True),
        "agent": None if re.match("curl|strongroom", agent, re.I) else agent,
    }  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS, ids=[f"{n}" for n in range(len(COMMANDS))])
def test_a_draft_sends_what_curl_sends(
    service: Service, ws_path: str, upstream: Upstream, command: str, tmp_path: Path
) -> None:
    command = command.replace("PORT", str(upstream.port))
    shell = command.removeprefix("$ ").replace("| jq .", "")
    subprocess.run(["bash", "-c", f'curl() {{ command curl -m 10 -s "$@"; }}; {shell}'], cwd=tmp_path, timeout=20)
    expected = _comparable(upstream)
    answer = service.ask("POST", f"{ws_path}/blocks/from-curl", {"command": command}, keep=False)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    draft = answer.json()
    for each in draft["credentials"]:
        assert each["value"] not in json.dumps(draft["call"])
        secret = {
            "name": each["suggested_name"], "value": each["value"], "visibility": "masked",
            "allowed_hosts": [each["host"]], "allowed_places": [each["place"]],
        }  # fmt: skip
        service.ask("DELETE", f"{ws_path}/secrets/{secret['name']}?confirm={secret['name']}&force=true")
        made = service.ask("POST", f"{ws_path}/secrets", secret, keep=False)
        assert made.status_code == 201, made.text
    ran = service.ask("POST", f"{ws_path}/calls", draft["call"])
    assert ran.status_code == 200, ran.text
    assert _comparable(upstream) == expected
    block = {"name": "draft", "call": draft["call"]}
    assert service.ask("POST", f"{ws_path}/blocks", block).status_code == 201
    assert service.ask("DELETE", f"{ws_path}/blocks/draft?confirm=draft").status_code == 204


@pytest.mark.parametrize(
    ("command", "name", "place", "host", "value"),
    [
        ('curl https://api.openai.com/v1 -H "Authorization: Bearer $OPENAI_API_KEY"', "OPENAI_API_KEY", "header:Authorization",
         "api.openai.com", None),
        ("curl https://api.openai.com/v1 -H 'Authorization: Bearer sk-abc123'", "OPENAI_TOKEN", "header:Authorization",
         "api.openai.com", "sk-abc123"),
        ("curl https://api.example.co.uk:8443/v1 -H 'x-api-key: kkkk-1'", "EXAMPLE_API_KEY", "header:x-api-key",
         "api.example.co.uk:8443", "kkkk-1"),
        ("curl https://api.stripe.com/v1 -u sk_test_1:", "STRIPE_API_KEY", "basic", "api.stripe.com", "sk_test_1"),
        ('curl https://api.twilio.com/x -u "$TWILIO_SID:${TWILIO_AUTH_TOKEN}"', "TWILIO_AUTH_TOKEN", "basic", "api.twilio.com", None),
        ("curl https://hooks.slack.com/services/T0/B0/XyZ123", "SLACK_WEBHOOK", "path", "hooks.slack.com", "XyZ123"),
        ("curl 'https://api.openweathermap.org/data?appid=abc'", "OPENWEATHERMAP_TOKEN", "query", "api.openweathermap.org", "abc"),
    ],
)  # fmt: skip
def test_a_credential_becomes_a_secret(command: str, name: str, place: str, host: str, value: str | None) -> None:
    draft = draft_of(command)
    (found,) = draft.credentials
    assert (found.suggested_name, found.place, found.host, found.value) == (name, place, host, value)
    written = repr(draft.call)
    assert f"{{{{secrets.{name}}}}}" in written
    assert value is None or value not in written


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ("-k", "-k"), ("--insecure", "--insecure"), ("-x http://p:1", "-x"), ("--http2", "--http2"), ("--cert c.pem", "--cert"),
        ("-T file", "-T"), ("-d @file.json", "-d"), ("-F f=@photo.png", "-F"), ("-b cookies.txt", "-b"), ("-s", "-s"),
        ("--retry 3", "--retry"), ("-H 'Host: other.example'", "-H"), ("-K conf", "-K"), ("--digest", "--digest"),
        ("-o out", "-o"), ("--next https://b.example", "--next"), ("https://b.example", "further URLs"), ("-X BREW", "-X"),
        ("| jq .", "what follows the command"), ("-r 0-99", "-r"), ("--unheard-of", "--unheard-of"),
    ],
)  # fmt: skip
def test_what_a_call_cannot_keep_is_named(options: str, named: str) -> None:
    draft = draft_of(f"curl https://a.example/ {options}")
    assert [each.option for each in draft.ignored] == [named]
    assert draft.ignored[0].why.endswith(".")


def test_variables_of_the_shell_and_placeholders_become_variables() -> None:
    call = draft_of('curl "https://a.example/users/{id}/$PAGE?x=${X}" -d "name=$NAME" -H "X-Tenant: $TENANT"').call
    assert (call.url, dict(call.variables)) == ("https://a.example/users/{{id}}/{{PAGE}}", {"id": "id"})
    assert (call.query[0].name, call.query[0].value) == ("x", "{{X}}")
    assert (call.headers[0].value, call.content[0].value) == ("{{TENANT}}", "{{NAME}}")  # type: ignore[index]


def test_what_browsers_copy_for_windows_is_read() -> None:
    draft = draft_of('curl ^"https://a.example/x?a=1^&b=2^" ^\r\n  -H ^"accept: */*^" ^\r\n  --data-raw ^"a=b^"')
    assert (draft.call.url, draft.call.method) == ("https://a.example/x", "POST")
    assert [each.name for each in draft.call.query] == ["a", "b"]


@pytest.mark.parametrize(
    "command",
    [
        "", "wget https://a.example", "curl", "curl 'https://a.example", "curl https://$HOST/", "curl https://a.example -d $(cat x)",
        "curl https://a.example -H", "curl 'https://a.example/{one,two}'", "curl 'https://a.example/[1-9]'", "curl ftp://a.example",
        "curl https://a.example -m soon", "curl https://a.example -H 'X-A: SeCrEt\nx'", "\ue000curl x",
    ],
)  # fmt: skip
def test_what_is_no_command_that_a_call_can_express_is_refused_without_a_word_of_it(command: str) -> None:
    with pytest.raises(ValidationFailed) as caught:
        draft_of(command)
    assert [str(field) for field in caught.value.errors or {}] == ["/command"]
    assert "SeCrEt" not in repr(caught.value) + caught.value.detail


def test_only_who_may_write_blocks_is_given_a_draft_and_nothing_is_recorded(service: Service, ws_path: str) -> None:
    command = {"command": "curl https://a.example -H 'Authorization: Bearer canary-51c1'"}
    token = service.ask("POST", f"{ws_path}/tokens", {"role": "runtime"}, keep=False).json()["token"]
    assert problem(service.ask("POST", f"{ws_path}/blocks/from-curl", command, token=token)) == (
        403,
        "forbidden",
    )
    before = service.ask("GET", f"{ws_path}/audit?limit=1").json()["items"][0]["id"]
    assert service.ask("POST", f"{ws_path}/blocks/from-curl", command, keep=False).status_code == 200
    assert service.ask("GET", f"{ws_path}/audit?limit=1").json()["items"][0]["id"] == before
