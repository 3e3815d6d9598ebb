from __future__ import annotations

import pytest

from app.kernel.errors import DestinationNotAllowed, TemplateNotAllowed, ValidationFailed, in_body
from app.outbound.model import Origin
from app.outbound.urls import Reason, parse_url


@pytest.mark.parametrize(
    ("url", "origin", "rest"),
    [
        ("https://api.example.com", Origin("https", "api.example.com", 443), ""),
        ("https://api.example.com/", Origin("https", "api.example.com", 443), "/"),
        ("https://api.example.com?a=b", Origin("https", "api.example.com", 443), "?a=b"),
        ("HTTPS://API.Example.Com:8443/V2?Q=%20", Origin("https", "api.example.com", 8443), "/V2?Q=%20"),
        ("http://api.example.com/", Origin("http", "api.example.com", 80), "/"),
        ("https://api.example.com./", Origin("https", "api.example.com", 443), "/"),
        ("https://bücher.example/ü", Origin("https", "xn--bcher-kva.example", 443), "/ü"),
        ("https://127.0.0.1:9443/x", Origin("https", "127.0.0.1", 9443), "/x"),
        ("https://[::1]:9443/x", Origin("https", "::1", 9443), "/x"),
        ("https://[2A00::1]", Origin("https", "2a00::1", 443), ""),
        ("https://localhost/a@b:c", Origin("https", "localhost", 443), "/a@b:c"),
        ("https://a.example/{{ticket_id}}?x={{ y }}", Origin("https", "a.example", 443), "/{{ticket_id}}?x={{ y }}"),
        ("https://a.example/x?u=https://{{h}}@b.example", Origin("https", "a.example", 443), None),
        ("https://a.example?{{q}}", Origin("https", "a.example", 443), "?{{q}}"),
    ],
)
def test_a_url_is_parted_into_origin_and_rest(url: str, origin: Origin, rest: str | None) -> None:
    found, left = parse_url(url)
    assert found == origin
    if rest is not None:
        assert left == rest


@pytest.mark.parametrize(
    "url",
    [
        "{{base}}",
        "{{base}}/v2",
        "{{scheme}}://api.example.com/",
        "http{{s}}://api.example.com/",
        "https:{{x}}",
        "https://{{host}}/",
        "https://{{host}}",
        "https://{{ho/st}}/",
        "https://api.{{domain}}/",
        "https://api.example.com{{path}}",
        "https://api.example.com:{{port}}/",
        "https://{{user}}@api.example.com/",
        "https://me:{{secrets.PW}}@api.example.com/",
        "https://{{secrets.HOST}}.evil.example/",
        "https://[{{address}}]/",
        "https://api.example.com{{",
        "ftp://{{host}}/",
    ],
)
def test_no_template_stands_before_the_path(url: str) -> None:
    with pytest.raises(TemplateNotAllowed):
        parse_url(url)


@pytest.mark.parametrize(
    "scheme", ["ftp", "file", "gopher", "dict", "ldap", "ws", "wss", "httpx", "https+unix", "data"]
)
def test_only_https_and_http_are_schemes_to_call(scheme: str) -> None:
    with pytest.raises(DestinationNotAllowed) as refusal:
        parse_url(f"{scheme}://api.example.com/")
    assert refusal.value.extra["reason"] == Reason.SCHEME


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.example.com",
        "api.example.com:443",
        "//api.example.com/",
        "/v2/{{ticket_id}}",
        "https",
        "https:",
        "https:/api.example.com",
        "https:api.example.com",
        "https//api.example.com",
        " https://api.example.com/",
        "https ://api.example.com/",
        "javascript:alert(1)",
        "1https://api.example.com/",
        "ｈttps://api.example.com/",
        "https://",
        "https:///path",
        "https://?q",
        "https://:443/",
        "https://user@api.example.com/",
        "https://user:password@api.example.com/",
        "https://@api.example.com/",
        "https://api.example.com@evil.example/",
        "https://api.example.com:443@evil.example/",
        "https://api.example.com:/",
        "https://api.example.com:0/",
        "https://api.example.com:65536/",
        "https://api.example.com:-1/",
        "https://api.example.com:4 43/",
        "https://api.example.com:0443/",
        "https://api.example.com:４４３/",
        "https://api.example.com:443:80/",
        "https://api.example.com:443\\/",
        "https://api.example.com\\@evil.example/",
        "https:\\\\api.example.com/",
        "https://api.example.com/a\\b",
        "https://api.example.com/#fragment",
        "https://api.example.com#@evil.example/",
        "https://api.example.com/ b",
        "https://api.example.com /",
        "https://api.example.com/\t",
        "https://api.example.com/\r\nX: y",
        "https://api.example.com/{{a\r\nb}}",
        "https://api\n.example.com/",
        "https://api.example.com/\x00",
        "https://api.example.com/\x7f",
        "https://api.example.com/\x85",
        "https://api.example.com/\ud800",
        "https://api..example.com/",
        "https://.example.com/",
        "https://api.example.com../",
        "https://./",
        "https://*.example.com/",
        "https://-api.example.com/",
        "https://api.example.com,evil.example/",
        "https://api.example.com;evil.example/",
        "https://api.example.com&evil.example/",
        "https://api!.example.com/",
        "https://{host}/",
        "https://%zz.example.com/",
        "https://☃.example/",
        "https://api\u200e.example/",
        "https://[::1/",
        "https://::1/",
        "https://[::1]x/",
        "https://[::1]:x/",
        "https://[]/",
        "https://[127.0.0.1]/",
        "https://[api.example.com]/",
        "https://" + "a" * 64 + ".example/",
        "https://" + ".".join(["a" * 60] * 5) + "/",
    ],
)
def test_what_is_no_absolute_url_of_a_host_is_refused(url: str) -> None:
    with pytest.raises(ValidationFailed) as refusal:
        parse_url(url)
    assert refusal.value.errors == {in_body("url"): [refusal.value.detail]}
