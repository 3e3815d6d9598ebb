"""A ``curl`` command as a shell would part it: options and their values, with the shell's variables marked. Pure.

Nothing is expanded and nothing is run. ``$NAME`` becomes ``shell_variable("NAME")`` inside its word.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from app.kernel.errors import ValidationFailed, in_body

_OPEN, _CLOSE = "\ue000", "\ue001"
SPACE: Final = "\ue002"
"""A space that curl encodes: as + in a body; in a query as %20, which means the same and is read more widely."""
SHELL_VARIABLE: Final = re.compile(f"{_OPEN}([A-Za-z_][A-Za-z0-9_]*){_CLOSE}")
_COMMAND: Final = in_body("command")
_PIECE: Final = re.compile(
    r"""
      (?P<join>\\[ \t]*\r?\n)
    | (?P<escaped>\\.)
    | (?P<ansi>\$'(?:[^'\\]|\\.)*')
    | (?P<single>'[^']*')
    | (?P<double>"(?:[^"\\]|\\.)*")
    | (?P<heredoc><<-?[ \t]*(?P<quote>['"]?)(?P<word>\w+)(?P=quote)[^\n]*\n
        (?P<text>.*?)(?:^|\n)[ \t]*(?P=word)[ \t]*(?=\n|\Z))
    | (?P<variable>\$(?:\{[A-Za-z_]\w*\}|[A-Za-z_]\w*))
    | (?P<substitution>\$\(|`)
    | (?P<comment>(?<![^\s])\#[^\n]*)
    | (?P<option_follows>\s*\n\s*(?=-))
    | (?P<end>\s*\n\s*|[;&|]+)
    | (?P<redirection>[0-9]?>{1,2}(?:&[0-9]|[ \t]*[^\s|;&]+))
    """,
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)
_IN_QUOTES: Final = re.compile(r"\\(?P<kept>[$`\"\\])|\\\r?\n|\$\{?(?P<name>[A-Za-z_]\w*)\}?|(?P<substitution>\$\(|`)")
_ANSI: Final = re.compile(
    r"\\(?:x([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{1,4})|U([0-9a-fA-F]{1,8})|([0-7]{1,3})|(.))", re.DOTALL
)
_ANSI_NAMED: Final = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v", "e": "\x1b"}

# Short names of options by their long ones; those that take a value, and those that take none.
_SHORT: Final = {
    "X": "request",
    "H": "header",
    "d": "data",
    "F": "form",
    "u": "user",
    "b": "cookie",
    "A": "user-agent",
    "e": "referer",
    "G": "get",
    "I": "head",
    "L": "location",
    "m": "max-time",
    "o": "output",
    "w": "write-out",
    "x": "proxy",
    "k": "insecure",
    "s": "silent",
    "S": "show-error",
    "v": "verbose",
    "i": "include",
    "f": "fail",
    "T": "upload-file",
    "c": "cookie-jar",
    "D": "dump-header",
    "E": "cert",
    "K": "config",
    "r": "range",
    "U": "proxy-user",
    "y": "speed-time",
    "Y": "speed-limit",
    "z": "time-cond",
    "C": "continue-at",
    "O": "remote-name",
    "J": "remote-header-name",
    "g": "globoff",
    "n": "netrc",
    "N": "no-buffer",
    "#": "progress-bar",
    "0": "http1.0",
    "1": "tlsv1",
    "2": "sslv2",
    "3": "sslv3",
    "4": "ipv4",
    "6": "ipv6",
    "j": "junk-session-cookies",
    "q": "disable",
    "a": "append",
    "l": "list-only",
    "p": "proxytunnel",
    "P": "ftp-port",
    "Q": "quote",
    "t": "telnet-option",
    "h": "help",
    "V": "version",
    "M": "manual",
    "R": "remote-time",
    "Z": "parallel",
    ":": "next",
    "B": "use-ascii",
}
_TAKE_VALUE: Final = frozenset(
    [
        "request",
        "header",
        "data",
        "data-ascii",
        "data-binary",
        "data-raw",
        "data-urlencode",
        "json",
        "form",
        "form-string",
        "user",
        "cookie",
        "user-agent",
        "referer",
        "max-time",
        "output",
        "write-out",
        "proxy",
        "upload-file",
        "cookie-jar",
        "dump-header",
        "cert",
        "config",
        "range",
        "proxy-user",
        "speed-time",
        "speed-limit",
        "time-cond",
        "continue-at",
        "ftp-port",
        "quote",
        "telnet-option",
        "url",
        "url-query",
        "oauth2-bearer",
        "aws-sigv4",
        "cacert",
        "capath",
        "cert-type",
        "ciphers",
        "connect-timeout",
        "connect-to",
        "key",
        "key-type",
        "pass",
        "interface",
        "keepalive-time",
        "limit-rate",
        "local-port",
        "max-filesize",
        "max-redirs",
        "noproxy",
        "output-dir",
        "pinnedpubkey",
        "preproxy",
        "proto",
        "proto-redir",
        "proto-default",
        "proxy-header",
        "rate",
        "resolve",
        "retry",
        "retry-delay",
        "retry-max-time",
        "socks4",
        "socks4a",
        "socks5",
        "socks5-hostname",
        "stderr",
        "tls-max",
        "tls13-ciphers",
        "trace",
        "trace-ascii",
        "unix-socket",
        "abstract-unix-socket",
        "variable",
        "expand-header",
        "expand-data",
        "expand-url",
        "expand-user",
        "doh-url",
        "dns-servers",
        "happy-eyeballs-timeout-ms",
        "expect100-timeout",
        "netrc-file",
        "engine",
        "crlfile",
        "curves",
        "hostpubmd5",
        "service-name",
        "delegation",
        "login-options",
        "request-target",
        "alt-svc",
        "hsts",
        "create-file-mode",
        "etag-save",
        "etag-compare",
        "proxy-cert",
        "proxy-key",
        "proxy-pass",
        "proxy-cacert",
        "parallel-max",
        "ip-tos",
        "vlan-priority",
        "haproxy-clientip",
    ]
)


@dataclass(frozen=True, slots=True)
class Option:
    """An option of the command: its long name and its value, and how it was written."""

    name: str
    value: str
    written: str


@dataclass(frozen=True, slots=True)
class CurlCommand:
    """The options in their order (a URL is the option ``url``), what stood on standard input, and what follows."""

    options: Sequence[Option]
    stdin: str | None
    rest: bool


def shell_variable(name: str) -> str:
    """Return the mark of a shell's variable in a word."""
    return f"{_OPEN}{name}{_CLOSE}"


def read_command(text: str) -> CurlCommand:
    """Part a command into curl's options.

    Raises:
        ValidationFailed: It isn't one curl command that can be understood; the command isn't quoted.
    """
    if _OPEN in text or _CLOSE in text or SPACE in text or "\x00" in text:
        raise refusal("The command holds characters that can't be read.")
    stdin: list[str] = []
    source, end = _for_shlex(_without_carets(text.strip()), stdin)
    try:
        words = shlex.split(source)
    except ValueError:
        raise refusal("A quotation mark is missing.") from None
    while words and (words[0] in ("$", ">", "%", "sudo") or re.fullmatch(r"[A-Za-z_]\w*=.*", words[0], re.DOTALL)):
        del words[0]
    if not words or not re.fullmatch(r"(?:.*[/\\])?curl(?:\.exe)?", words[0]):
        raise refusal("Paste a command that begins with curl.")
    return CurlCommand(tuple(_options(words[1:])), stdin[0] if stdin else None, rest=end)


def refusal(sentence: str) -> ValidationFailed:
    """Return the refusal of a command."""
    return ValidationFailed(sentence, errors={_COMMAND: [sentence]})


def _without_carets(text: str) -> str:
    """Read what browsers copy for Windows' command line, where ``^`` escapes and joins lines."""
    if not re.search(r"\^\r?\n|\^\"", text):
        return text
    return re.sub(r"\^(.)", r"\1", re.sub(r"\^\r?\n", " ", text), flags=re.DOTALL).replace("$", r"\$")


def _for_shlex(text: str, stdin: list[str]) -> tuple[str, bool]:
    """Rewrite the shell's syntax that ``shlex`` doesn't know; tells whether something follows the command."""
    pieces, end = [], 0
    for found in _PIECE.finditer(text):
        pieces.append(text[end : found.start()])
        end = found.end()
        if found.lastgroup == "end" or found["end"]:
            return "".join(pieces), bool(text[end:].strip())
        pieces.append(_rewritten(found, stdin))
    pieces.append(text[end:])
    return "".join(pieces), False


def _rewritten(found: re.Match[str], stdin: list[str]) -> str:
    if found["substitution"]:
        raise refusal("The command runs another command. Replace that with its output.")
    if found["heredoc"]:
        stdin.append(found["text"] + "\n" if found["text"] else "")
        return ""
    if found["ansi"]:
        return shlex.quote(_ANSI.sub(_ansi, found["ansi"][2:-1]))
    if found["variable"]:
        return shell_variable(found["variable"].strip("${}"))
    if found["double"]:
        return shlex.quote(_IN_QUOTES.sub(_in_quotes, found["double"][1:-1]))
    if found["escaped"] or found["single"]:
        return found[0]
    return " " if found["option_follows"] else ""


def _in_quotes(found: re.Match[str]) -> str:
    if found["substitution"]:
        raise refusal("The command runs another command. Replace that with its output.")
    return shell_variable(found["name"]) if found["name"] else found["kept"] or ""


def _ansi(found: re.Match[str]) -> str:
    if number := found[1] or found[2] or found[3]:
        return chr(min(int(number, 16), 0x10FFFF))
    return chr(int(found[4], 8)) if found[4] else _ANSI_NAMED.get(found[5], found[5])


def _options(words: Sequence[str]) -> Iterator[Option]:
    waiting = iter(words)
    for word in waiting:
        if word.startswith("--") and len(word) > 2:
            yield _long(word, waiting)
        elif word.startswith("-") and len(word) > 1 and word != "--":
            yield from _cluster(word, waiting)
        elif word != "--":
            yield Option("url", word, "URL")


def _long(word: str, waiting: Iterator[str]) -> Option:
    name = word[2:]
    return Option(name, _value(word, waiting) if name in _TAKE_VALUE else "", word)


def _cluster(word: str, waiting: Iterator[str]) -> Iterator[Option]:
    for index, letter in enumerate(word[1:], 1):
        name = _SHORT.get(letter, letter)
        if name in _TAKE_VALUE:
            yield Option(name, word[index + 1 :] or _value(f"-{letter}", waiting), f"-{letter}")
            return
        yield Option(name, "", f"-{letter}")


def _value(option: str, waiting: Iterator[str]) -> str:
    value = next(waiting, None)
    if value is None:
        raise refusal(f"The option {option[:40]} has no value.")
    return value
