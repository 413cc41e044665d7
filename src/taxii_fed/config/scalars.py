"""How one value is read: by the type of its field, never by its looks.

Each kind below is a function from what stands in the file to the typed value. It raises `mistake` for anything else, so that every
message says what was expected; where it was found is added by `load`. Any value may be ``{env: NAME}`` or ``{file: PATH}``.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping as MappingType
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr
from pydantic_core import PydanticCustomError

from taxii_fed.config.marked import Mapping, Scalar
from taxii_fed.config.problems import nearest, shown
from taxii_fed.core.stix.levels import NAMES, Level
from taxii_fed.core.timestamps import parse_rfc3339

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MAX_OUTSIDE_BYTES = 100_000
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


def mistake(message: str = "", *, expected: str = "", hint: str = "", secret: bool = False) -> PydanticCustomError:
    """Return the error that a reader raises. ``secret``: neither the value nor its line may be shown."""
    details = {"message": message, "expected": expected, "hint": shown(hint) if hint else "", "secret": secret}
    return PydanticCustomError("mistake", "{message}", details)


# -- texts, and texts from outside the file ------------------------------------------------------------------------------


def is_outside(raw: Any) -> bool:
    """Whether a value is ``{env: NAME}`` or ``{file: PATH}``."""
    return isinstance(raw, MappingType) and len(raw) == 1 and next(iter(raw)) in {"env", "file"}


def text_of(raw: Any) -> str:
    """Return the text of a value, fetched from outside the file where it says so. Raises `mistake`."""
    if isinstance(raw, Scalar):
        if raw.nothing:
            raise mistake("nothing is given here: give a value, or remove the key")
        return str(raw)
    if is_outside(raw):
        (kind, name), *_ = raw.items()
        if not isinstance(name, str) or not name:
            raise mistake(expected=f"{{{kind}: {'NAME' if kind == 'env' else 'PATH'}}}")
        return _from_environment(name) if kind == "env" else _from_file(folder_of(name) / name)
    if isinstance(raw, (str, int, float)):
        return str(raw)
    raise mistake(expected="one value")


def folder_of(raw: Any) -> Path:
    """Return the folder that relative paths in a value start from: that of the file in which it stands."""
    if isinstance(raw, Scalar):
        return raw.mark.source.path.parent
    if isinstance(raw, Mapping):
        return raw.mark.source.path.parent
    return Path.cwd()


def _from_environment(name: str) -> str:
    value = os.environ.get(name)
    if value is None:
        raise mistake(f"the environment variable {name} is not set")
    return value


def _from_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_OUTSIDE_BYTES + 1)
        text = data.decode("utf-8")
    except FileNotFoundError:
        raise mistake(f"no such file: {path}") from None
    except UnicodeDecodeError:
        raise mistake(f"{path} is not UTF-8 text") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise mistake(f"{path} can't be read: {reason}") from None
    if len(data) > MAX_OUTSIDE_BYTES:
        raise mistake(f"{path} is larger than {MAX_OUTSIDE_BYTES // 1000} kB")
    return text.removesuffix("\n").removesuffix("\r")


def line(raw: Any) -> str:
    """A text on one line, without control characters."""
    text = text_of(raw)
    if not text.strip() or len(text) > 1000 or any(ord(char) < 32 or ord(char) == 127 for char in text):
        raise mistake(expected="a text on one line, without control characters")
    return text


def paragraph(raw: Any) -> str:
    """A text of any number of lines; may be empty."""
    text = text_of(raw)
    if len(text) > 100_000 or any(ord(char) < 32 and char not in "\n\t" for char in text):
        raise mistake(expected="a text without control characters")
    return text


_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)


def name(raw: Any) -> str:
    """A name of something in the configuration: letters, digits, dot, hyphen and underscore."""
    text = text_of(raw)
    if not _NAME.fullmatch(text):
        raise mistake(expected="a name made of letters, digits, '.', '_' and '-', at most 100 of them, a letter or digit first")
    return text


def path_segment(raw: Any) -> str:
    """The name of an API root, which is a part of its URL."""
    text = text_of(raw)
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", text):
        raise mistake(expected="lower-case letters, digits and '-', since it is a part of a URL")
    if text in {"taxii2", "livez", "readyz", "metrics"}:
        raise mistake(f"{shown(text)} is a path of the server itself: choose another")
    return text


def account_name(raw: Any) -> str:
    """A user name for HTTP Basic: anything printable but a colon and spaces."""
    text = text_of(raw)
    if not re.fullmatch(r"[^\s:\x00-\x1f\x7f]{1,200}", text):
        raise mistake(expected="a user name without spaces and ':'")
    return text


@dataclass(frozen=True, slots=True)
class OneOf:
    """A word of a fixed list."""

    words: tuple[str, ...]

    def __call__(self, raw: Any) -> str:
        text = text_of(raw)
        if text not in self.words:
            raise mistake(
                expected=f"{'one of ' if len(self.words) > 2 else ''}{_listed(self.words)}", hint=nearest(text, self.words)
            )
        return text


def _listed(words: tuple[str, ...]) -> str:
    return ", ".join(words[:-1]) + (" or " if len(words) > 1 else "") + words[-1]


@dataclass(frozen=True, slots=True)
class Matching:
    """A text of a fixed form. ``fold``: upper case is taken for lower."""

    pattern: str
    expected: str
    fold: bool = False

    def __call__(self, raw: Any) -> str:
        text = text_of(raw)
        if self.fold:
            text = text.lower()
        if not re.fullmatch(self.pattern, text, re.ASCII):
            raise mistake(expected=self.expected)
        return text


def uuid4(raw: Any) -> str:
    """A version 4 UUID, as TAXII asks of collections."""
    text = text_of(raw).lower()
    if not re.fullmatch(UUID, text):
        raise mistake(expected="a version 4 UUID, such as uuidgen makes")
    if text[14] != "4":
        raise mistake(f"a version {text[14]} UUID", expected="a version 4 UUID, such as uuidgen makes")
    return text


# -- words and numbers ---------------------------------------------------------------------------------------------------

_FLAGS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def flag(raw: Any) -> bool:
    """``true`` or ``false``; YAML's older words for them as well."""
    text = text_of(raw)
    value = _FLAGS.get(text.casefold())
    if value is None:
        raise mistake(expected="true or false", hint=nearest(text, ("true", "false")))
    return value


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number within bounds."""

    least: int
    most: int

    def __call__(self, raw: Any) -> int:
        text = text_of(raw)
        if not re.fullmatch(r"-?[0-9]{1,18}", text) or not self.least <= int(text) <= self.most:
            raise mistake(expected=f"a whole number from {self.least} to {self.most}")
        return int(text)


def tlp(raw: Any) -> Level:
    """A TLP level by its name."""
    text = text_of(raw)
    if text not in NAMES:
        raise mistake(expected=f"a TLP level ({', '.join(str(level) for level in Level)})", hint=nearest(text, NAMES))
    return NAMES[text]


_UNITS_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


@dataclass(frozen=True, slots=True)
class Duration:
    """A time span such as ``30s``, ``5m``, ``24h`` or ``7d``, in seconds."""

    least: int = 1

    def __call__(self, raw: Any) -> int:
        match = re.fullmatch(r"([0-9]{1,9})([smhd])", text_of(raw))
        if match is None:
            raise mistake(expected="a time span such as 30s, 5m, 24h or 7d")
        seconds = int(match[1]) * _UNITS_SECONDS[match[2]]
        if not self.least <= seconds <= 3650 * 86_400:
            raise mistake(expected=f"a time span from {self.least}s to 3650d")
        return seconds


_UNITS_BYTES = {"B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


def size(raw: Any) -> int:
    """A size such as ``50MB`` (or ``MiB``), in bytes; a bare number is bytes."""
    match = re.fullmatch(r"([0-9]{1,12}) ?([kKMG]?i?B)?", text_of(raw))
    if match is None or (match[2] or "B") not in _UNITS_BYTES:
        raise mistake(expected="a size such as 500kB, 50MB or 1GiB")
    count = int(match[1]) * _UNITS_BYTES[match[2] or "B"]
    if not 1 <= count <= 10**12:
        raise mistake(expected="a size from 1B to 1000GB")
    return count


def percent(raw: Any) -> float:
    """A share such as ``20%``, as a number from 0 to 1."""
    match = re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]{1,6})?) ?%", text_of(raw))
    if match is None or not 0 <= float(match[1]) <= 100:
        raise mistake(expected="a share from 0% to 100%, such as 20%")
    return float(match[1]) / 100


# -- times ---------------------------------------------------------------------------------------------------------------

_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d)(:\d\d(?:\.\d+)?)?\s?([Zz]|[+-]\d\d:\d\d)?", re.ASCII)


def instant(raw: Any) -> int:
    """A time with its offset, in microseconds. A time without one is refused: it would be read differently elsewhere."""
    text = text_of(raw)
    if _DATE.fullmatch(text):
        raise mistake(
            f"a date does not say where its day begins: write {text}T00:00Z for the start of that day in UTC, "
            f"or {text}T00:00+08:00 for its start in a place eight hours ahead"
        )
    match = _TIME.fullmatch(text)
    if match is None:
        raise mistake(expected="a time with its offset, such as 2026-12-01T00:00+08:00 or 2026-12-01T00:00Z")
    date, minutes, seconds, offset = match.groups()
    if offset is None:
        start = f"{date}T{minutes}{seconds or ''}"
        raise mistake(f"a time without its offset: write {start}Z for UTC, or {start}+08:00 for a place eight hours ahead")
    try:
        return parse_rfc3339(f"{date}T{minutes}{seconds or ':00'}{offset.upper()}")
    except ValueError as error:
        raise mistake(str(error)) from None


# -- places: files, addresses, URLs --------------------------------------------------------------------------------------


def path_beside(raw: Any) -> Path:
    """A path, relative to the file in which it stands."""
    return folder_of(raw) / line(raw)


def existing_file(raw: Any) -> Path:
    """The path of a file that is there, relative to the file in which it stands."""
    path = path_beside(raw)
    try:
        if path.is_file():
            return path
    except OSError as error:
        raise mistake(f"{path} can't be reached: {error.strerror}") from None
    raise mistake(f"no such file: {path}")


@dataclass(frozen=True, slots=True)
class Address:
    """Where the server listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def address(raw: Any) -> Address:
    """A host and a port: ``127.0.0.1:8421``, ``[::]:8421``, ``localhost:0``."""
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+)):([0-9]{1,5})", text_of(raw))
    if match is None or int(match[3]) > 65_535:
        raise mistake(expected="a host and a port, such as 127.0.0.1:8421 or [::1]:8421")
    return Address(match[1] or match[2], int(match[3]))


def network(raw: Any) -> Network:
    """An IP network, or one address."""
    text = text_of(raw)
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        why = "has host bits set" if "host bits" in str(error) else ""
        raise mistake(why, expected="an IP network such as 10.0.0.0/8 or fd00::/8") from None


def web_url(raw: Any) -> str:
    """An absolute http or https URL without credentials, query and fragment."""
    text = text_of(raw)
    try:
        parts = urlsplit(text)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        good = False
    if not good or parts.query or parts.fragment or re.search(r"[\s\x00-\x1f\x7f\\]", text):
        raise mistake(expected="a URL such as https://taxii.example.org", secret="@" in text)
    if parts.username is not None or parts.password is not None:
        raise mistake("a URL with credentials in it: put them under 'auth'", secret=True)
    return text


def base_url(raw: Any) -> str:
    """A URL that others are made from: without its last slash."""
    return web_url(raw).rstrip("/")


# -- the store ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StoreAddress:
    """Where the store is; as a text, without secrets. ``path`` is absolute, for ``sqlite`` alone."""

    kind: str
    path: Path
    url: SecretStr
    """What `storage.open_store` takes."""
    shown: str

    def __str__(self) -> str:
        return self.shown


_STORES = "sqlite:PATH or mongodb://HOST/DATABASE"


def store_address(raw: Any) -> StoreAddress:
    """``sqlite:PATH``, relative to the file in which it stands, or ``mongodb://…`` and ``mongodb+srv://…`` with a database."""
    text = text_of(raw)
    kind, _, rest = text.partition(":")
    if kind in {"mongodb", "mongodb+srv"}:
        if not is_outside(raw) and re.search(r":[^/@]*@", text.partition("//")[2]):
            raise mistake("a URL with a password in it", expected="{env: NAME} or {file: PATH} for the whole URL", secret=True)
        return _mongodb_address(text, kind)
    if kind != "sqlite" or rest.removeprefix("//") in {"", "/"}:
        raise mistake(expected=f"{_STORES}, such as sqlite:taxii-fed.db", secret="@" in text)
    path = (folder_of(raw) / (rest.removeprefix("//") if rest.startswith("//") else rest)).absolute()
    return StoreAddress("sqlite", path, SecretStr(f"sqlite:{path}"), f"sqlite:{path}")


_MONGODB = re.compile(r"mongodb(?:\+srv)?://(?:[^/?@]*@)?([^/?@\s]+)/([A-Za-z0-9_-]{1,60})(?:\?\S*)?", re.ASCII)


def _mongodb_address(text: str, kind: str) -> StoreAddress:
    match = _MONGODB.fullmatch(text)
    if match is None:
        raise mistake("a MongoDB URL needs hosts and a database", expected="mongodb://HOST[,HOST…]/DATABASE", secret=True)
    hosts, database = match.groups()
    return StoreAddress("mongodb", Path(), SecretStr(text), f"{kind}://{hosts}/{database}")
