"""How secrets and their hashes are read. A secret may not stand in the file itself, and no message repeats one."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretBytes, SecretStr

from taxii_fed.config.scalars import is_outside, mistake, text_of

_OUTSIDE = "{env: NAME} or {file: PATH}"


def secret_text(raw: Any) -> SecretStr:
    """A secret. It may not stand in the file itself."""
    if not is_outside(raw):
        raise mistake("a secret does not belong in this file", expected=_OUTSIDE, secret=True)
    text = text_of(raw)
    if not text:
        raise mistake("the secret is empty")
    return SecretStr(text)


def proxy_url(raw: Any) -> SecretStr:
    """The URL of a proxy; with a password in it only from outside the file."""
    text = text_of(raw)
    try:
        parts = urlsplit(text)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 80) > 0
    except ValueError:
        good = False
    if not good:
        raise mistake(expected="a URL such as http://proxy.example:3128", secret=True)
    if parts.password is not None and not is_outside(raw):
        raise mistake("a URL with a password in it", expected=_OUTSIDE, secret=True)
    return SecretStr(text)


def node_key(raw: Any) -> SecretBytes:
    """The node's key: at least 32 bytes, written as hex digits, from outside the file."""
    if not is_outside(raw):
        raise mistake("the node's key does not belong in this file", expected=_OUTSIDE, secret=True)
    text = text_of(raw).strip()
    advice = "at least 64 hex digits: of a node that has a store those in its backup, of a new one such as 'openssl rand -hex 32' makes"
    if not re.fullmatch(r"(?:[0-9a-fA-F]{2}){32,}", text):
        raise mistake("the node's key is not usable", expected=advice, secret=True)
    key = bytes.fromhex(text)
    if len(set(key)) < 8:
        raise mistake("the node's key is not random", expected=advice, secret=True)
    return SecretBytes(key)


def password_hash(raw: Any) -> SecretStr:
    """An argon2id hash in its usual written form."""
    text = text_of(raw)
    if not re.fullmatch(r"\$argon2id\$v=19\$m=\d{1,8},t=\d{1,4},p=\d{1,3}\$[A-Za-z0-9+/]{11,}\$[A-Za-z0-9+/]{22,}", text):
        raise mistake(expected="an argon2id hash in single quotes, such as 'taxii-fed hash-password' prints", secret=True)
    return SecretStr(text)


def token_hash(raw: Any) -> SecretStr:
    """The SHA-256 of a token, as 64 hex digits."""
    text = text_of(raw).lower()
    if not re.fullmatch(r"[0-9a-f]{64}", text):
        raise mistake(expected="the SHA-256 of a token as 64 hex digits, such as 'taxii-fed token' prints", secret=True)
    return SecretStr(text)
