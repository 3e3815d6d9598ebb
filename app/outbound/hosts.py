"""Hosts as they are written: their canonical form, and the patterns that say where a secret may go. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final, Literal
from urllib.parse import quote

import idna
from publicsuffixlist import PublicSuffixList

from app.kernel.errors import AllowedHostsTooWide, FieldLocation, StrongroomError, ValidationFailed, in_body
from app.outbound.model import Origin
from app.outbound.shared_names import is_shared

ANY: Final = "*"
DEFAULT_PORTS: Final = {"https": 443, "http": 80}

_URL: Final = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*:)?(?(scheme)//|/{0,2})(?P<host>(?P<user>[^/?#\\]*@)?[^/?#\\]*)(?P<path>.*)",
    re.DOTALL,
)
_SLIPS: Final = {"scheme": "scheme (https://)", "user": "user (user@)", "path": "path"}
_LABEL: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
_PERCENT_ENCODED: Final = re.compile(r"(?:[a-z0-9_.-]|%[0-9a-f]{2})+", re.ASCII)
_IN_BRACKETS: Final = re.compile(r"[0-9a-z.%_~-]*:[0-9a-z:.%_~-]*", re.ASCII)
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
_PORT: Final = re.compile(r"[1-9][0-9]{0,4}", re.ASCII)
_LONGEST_NAME: Final = 253  # RFC 1035, without the root's dot
_ALLOWED_HOSTS: Final = in_body("allowed_hosts")


# --- one host ---------------------------------------------------------------------------------------------------------


def split_port(text: str) -> tuple[str, int | None]:
    """Part ``host``, ``host:port`` or ``[address]:port``; the host keeps its brackets. Raises ``ValueError``."""
    host, colon, port = text.rpartition(":") if not text.endswith("]") else (text, "", "")
    if not colon:
        return text, None
    if not _PORT.fullmatch(port) or int(port) > 65535:
        raise ValueError("A port is a number from 1 to 65535.")
    return host, int(port)


def to_ascii(text: str) -> str:
    """Return a host in lower-case ASCII: a name's A-labels without trailing dot, an address without brackets.

    What is some way to write an address, or would turn into plain ASCII by IDNA's mapping (full-width digits), isn't
    interpreted: it comes back as it was written, and ``is_canonical`` tells that it is no host to be called.
    Raises ``ValueError`` for what is no host at all.
    """
    if text.startswith("["):
        return _ipv6_in_brackets(text)
    labels = [_label(label) for label in text.removesuffix(".").split(".")]
    host = ".".join(labels)
    if "%" in host:
        if not _PERCENT_ENCODED.fullmatch(host):
            raise ValueError("The host isn't a valid name.")
        return host
    if len(host) > _LONGEST_NAME or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError("The host isn't a valid name.")
    return f"{host}." if text.endswith(".") and _ends_in_number(host) else host


def _ipv6_in_brackets(text: str) -> str:
    inside = text[1:-1].lower()
    if not text.endswith("]") or not _IN_BRACKETS.fullmatch(inside):
        raise ValueError("Brackets hold an IPv6 address.")
    return inside


def _label(text: str) -> str:
    if text.isascii():
        return text.lower()
    try:
        encoded = idna.encode(text, uts46=True).decode("ascii")
    except UnicodeError:  # idna's errors are such
        raise ValueError("The host isn't a valid internationalised name.") from None
    # A label that needed no Punycode was plain ASCII in disguise: a look-alike of a name, or of an address.
    return encoded if encoded.startswith("xn--") and "." not in encoded else quote(text, safe="").lower()


def _ends_in_number(host: str) -> bool:
    """Tell whether a system would read the host as an IPv4 address (URL Standard, "ends in a number checker")."""
    return _NUMBER.fullmatch(host.removesuffix(".").rpartition(".")[2]) is not None


def is_address(host: str) -> bool:
    """Tell whether a host is an address, in whatever form, and no name."""
    return ":" in host or _ends_in_number(host)


@lru_cache(maxsize=4096)
def is_canonical(host: str) -> bool:
    """Tell whether a host is a plain name, or an address in the one form in which it is called."""
    if "%" in host:
        return False
    try:
        if ":" in host:
            return "." not in host and str(IPv6Address(host)) == host
        return not _ends_in_number(host) or str(IPv4Address(host)) == host
    except AddressValueError:
        return False


# --- patterns ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HostPattern:
    """One entry of a secret's allowed hosts.

    ``host`` is a name or an address, for ``one_label`` what stands behind ``*.``; ``port`` None means the scheme's
    default port.
    """

    kind: Literal["exact", "one_label", "any"]
    host: str = ""
    port: int | None = None

    def __str__(self) -> str:
        if self.kind == "any":
            return ANY
        host = f"*.{self.host}" if self.kind == "one_label" else f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"

    def covers(self, other: HostPattern) -> bool:
        """Tell whether every host of another pattern is one of this pattern's."""
        if self.kind == "any" or self == other:
            return True
        within = self.kind == "one_label" and other.kind == "exact" and not is_address(other.host)
        return within and other.port == self.port and other.host.partition(".")[2] == self.host

    def matches(self, origin: Origin) -> bool:
        """Tell whether a call to this origin is meant; ``*`` means every one."""
        if self.kind == "any":
            return True
        if origin.port != (self.port or DEFAULT_PORTS[origin.scheme]):
            return False
        if self.kind == "exact":
            return origin.host == self.host
        return origin.host.partition(".")[2] == self.host and not is_address(origin.host)


def parse_pattern(text: str, *, field: FieldLocation = _ALLOWED_HOSTS) -> HostPattern:
    """Read one allowed host: ``name``, ``*.name``, ``1.2.3.4``, ``[::1]``, each with an optional port, or ``*``.

    Raises:
        ValidationFailed: it is none of these, or an address that isn't written in its canonical form.
        AllowedHostsTooWide: ``*.`` stands over a public suffix (publicsuffix.org, private section included).
    """
    text = text.strip(" ")
    if text == ANY:
        return HostPattern("any")
    _refuse_url(text, field)
    one_label = text.startswith("*.")
    written = text[2:] if one_label else text
    if ":" in written and not written.startswith("[") and written.count(":") > 1:
        raise _wrong(text, "An IPv6 address stands in brackets.", field)
    try:
        host, port = split_port(written)
        host = to_ascii(host)
    except ValueError as wrong:
        raise _wrong(text, str(wrong), field) from None
    if not is_canonical(host):
        raise _wrong(text, "Write the host plainly, an address in its shortest usual form.", field)
    if one_label:
        _refuse_too_wide(text, host, field)
    return HostPattern("one_label" if one_label else "exact", host, port)


def _refuse_url(text: str, field: FieldLocation) -> None:
    """Refuse what is more than a host, and say what it has and what to write."""
    found = _URL.fullmatch(text)
    if found is None:
        return
    slips = [word for name, word in _SLIPS.items() if found[name]]
    if slips:
        right = host_in(text)
        what = f"Write {right[:100]!r}" if right else "Write the host alone"
        # What was written may hold a password, so it isn't quoted.
        sentence = f"That is more than a host that a secret can be allowed to go to. {what}: no {', no '.join(slips)}."
        raise ValidationFailed(sentence, errors={field: [sentence]})


def host_in(text: str) -> str:
    """Return the host, with its port, of a URL that somebody pasted; what is no URL comes back as it is."""
    found = _URL.fullmatch(text)
    return text if found is None else found["host"].rpartition("@")[2]


def _wrong(text: str, why: str, field: FieldLocation) -> ValidationFailed:
    sentence = f"{text[:100]!r} isn't a host that a secret can be allowed to go to. {why}"
    return ValidationFailed(sentence, errors={field: [sentence]})


def _refuse_too_wide(text: str, host: str, field: FieldLocation) -> None:
    if is_address(host):
        raise _wrong(text, "A wildcard stands before a name, not before an address.", field)
    if _public_suffixes().is_public(host):
        sentence = f"{text!r} would allow hosts of many owners: name the host itself."
        raise AllowedHostsTooWide(sentence, errors={field: [sentence]})


@lru_cache(maxsize=1)
def _public_suffixes() -> PublicSuffixList:
    return PublicSuffixList()  # reads the list that came with the package; it never goes to the network


def owner_label(host: str) -> str:
    """Return the label of a name that its owner registered, ``example`` of ``api.example.co.uk``; "" for an address."""
    if is_address(host) or "." not in host:
        return "" if is_address(host) else host
    return (_public_suffixes().privatesuffix(host) or host).partition(".")[0]


def normalise_patterns(
    texts: Sequence[str], *, any_host_allowed: bool, wildcards_allowed: bool = True
) -> tuple[str, ...]:
    """Return allowed hosts in canonical form, each once, sorted.

    Args:
        any_host_allowed: Whether ``*`` may be among them.
        wildcards_allowed: Whether ``*.example.com`` may be among them.

    Raises:
        ValidationFailed: One is no host.
        AllowedHostsTooWide: One stands over a public suffix, or is a wildcard that isn't allowed.
    """
    patterns = [parse_pattern(text, field=_ALLOWED_HOSTS.member(index)) for index, text in enumerate(texts)]
    if not any_host_allowed and (any_host := HostPattern("any")) in patterns:
        sentence = "A restricted secret names its hosts: '*' would let it go to anybody's."
        raise AllowedHostsTooWide(sentence, errors={_ALLOWED_HOSTS.member(patterns.index(any_host)): [sentence]})
    for index, pattern in enumerate(patterns):
        if pattern.kind == "one_label" and not wildcards_allowed:
            raise _needs_wide(pattern, _ALLOWED_HOSTS.member(index))
    return tuple(sorted({str(pattern) for pattern in patterns}))


def _needs_wide(pattern: HostPattern, field: FieldLocation) -> AllowedHostsTooWide:
    why = (
        f"anybody can have a name under {pattern.host} from its provider"
        if is_shared(pattern.host)
        else "whoever has a name under it could read the value there"
    )
    sentence = f'A restricted secret names its hosts: {pattern} needs "wide": true, since {why}.'
    return AllowedHostsTooWide(sentence, errors={field: [sentence]})


def has_wildcard(patterns: Sequence[str]) -> bool:
    """Tell whether one of these allowed hosts is ``*.example.com`` or ``*``."""
    return any(text.startswith(ANY) for text in patterns)


def matches(patterns: Sequence[str], origin: Origin, *, any_host: bool) -> bool:
    """Tell whether one of a secret's allowed hosts means this origin; ``*`` counts only with ``any_host``."""
    return any(
        pattern.matches(origin)
        for pattern in map(_parse_stored, patterns)
        if pattern is not None and (any_host or pattern.kind != "any")
    )


@lru_cache(maxsize=4096)
def _parse_stored(text: str) -> HostPattern | None:
    """Read a pattern that was accepted once; one that isn't any more (a suffix became public) matches nothing."""
    try:
        return parse_pattern(text)
    except StrongroomError:
        return None
