"""`taxii-fed init`, `hash-password` and `token`: a new node, and secrets for a configuration."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shlex
import sys
import time
from pathlib import Path
from typing import Any

import click

from taxii_fed.cli.common import Reads, echo_json, json_option
from taxii_fed.config import scalars
from taxii_fed.config.load import load
from taxii_fed.config.template import KEY_FILE, STAFF, NewNode, render, title_of, yaml_text
from taxii_fed.core.errors import RefusedError
from taxii_fed.core.timestamps import format_taxii

CONFIG_FILE = "taxii-fed.yaml"
SHORT_PASSWORD = 12
_DISCOVERY = "/taxii2"


def _sectors(raw: Any) -> tuple[str, ...]:
    sectors = tuple(dict.fromkeys(scalars.name(part.strip()) for part in str(raw).split(",") if part.strip()))
    if not sectors or "all" in sectors:
        raise scalars.mistake(expected="names of sectors with commas between them, such as financial-services,insurance")
    if len({title_of(sector).casefold() for sector in sectors}) < len(sectors):
        raise scalars.mistake(expected="sectors that differ in more than case and hyphens")
    return sectors


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--name", type=Reads("name", scalars.name), help="The node's short name; that of DIR by default.")
@click.option("--organisation", type=Reads("text", scalars.line), help="Who runs it; its name by default.")
@click.option(
    "--jurisdiction", type=Reads("name", scalars.name), default="XX", show_default=True, help="Where it is, such as HK."
)
@click.option(
    "--url", type=Reads("url", scalars.base_url), default="http://127.0.0.1:8421", show_default=True, help="What clients use."
)
@click.option(
    "--sectors", type=Reads("names", _sectors), default="financial-services", show_default=True, help="One collection for each."
)
@click.option(
    "--account", type=Reads("name", scalars.account_name), default="soc", show_default=True, help="The first user name."
)
@json_option
def init(
    folder: Path,
    name: str | None,
    organisation: str | None,
    jurisdiction: str,
    url: str,
    sectors: tuple[str, ...],
    account: str,
    *,
    as_json: bool,
) -> None:
    """Make a new node in DIR.

    It works at once: a configuration with a collection for each sector, the node's key, and a first account, whose password is
    shown this once.
    """
    if url.endswith(_DISCOVERY):
        url = url.removesuffix(_DISCOVERY)
        click.echo(f"taxii-fed: what clients use begins with {url}; the server adds {_DISCOVERY}/ by itself", err=True)
    name = name or re.sub(r"[^A-Za-z0-9._-]+", "-", folder.absolute().name).strip("-._") or "node"
    password = secrets.token_urlsafe(24)
    node = NewNode(
        name=name,
        organisation=organisation or name,
        jurisdiction=jurisdiction,
        url=url,
        sectors=sectors,
        account=account,
        password_hash=_hash(password),
    )
    path = _write(folder, render(node))
    load(path)
    if as_json:
        echo_json(
            {"config": str(path), "key": str(folder / KEY_FILE), "party": STAFF, "account": account, "password": password}
        )
        return
    command = f"taxii-fed --config {shlex.quote(str(path))}"
    click.echo(f"{path}: the configuration\n{folder / KEY_FILE}: the node's key; keep a copy, it can't be made again\n")
    click.echo(f"Account {account}, password (shown this once):\n  {password}\n")
    click.echo(f"Next:\n  {command} check\n  {command} run\n  curl --user {account} {url}/taxii2/")


def _write(folder: Path, text: str) -> Path:
    """Write the files of a new node and return the path of the configuration. Raises `RefusedError` over files that are there."""
    path, key = folder / CONFIG_FILE, folder / KEY_FILE
    folder.mkdir(parents=True, exist_ok=True)
    for each in (path, key):
        if each.exists() or each.is_symlink():
            raise RefusedError(f"{folder} already holds {each.name}: nothing was changed")
    _create(key, secrets.token_hex(32) + "\n", 0o600)
    _create(path, text, 0o640)
    return path


def _create(path: Path, text: str, mode: int) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as file:
        file.write(text)


def _hash(password: str) -> str:
    import argon2  # noqa: PLC0415 — only where a password is hashed

    return argon2.PasswordHasher().hash(password)


@click.command("hash-password")
@click.option(
    "--account", type=Reads("name", scalars.account_name), help="Write the line for this account instead of the bare hash."
)
def hash_password(account: str | None) -> None:
    """Hash a password for an account.

    It is typed twice, or read from standard input where that is no terminal.
    """
    hashed = _hash(_password())
    click.echo(f"{yaml_text(account)}: {{password_hash: '{hashed}'}}" if account else hashed)


def _password() -> str:
    """Return the password that a person types or a pipe gives. Raises `RefusedError` where there is none."""
    if sys.stdin.isatty():
        password = str(click.prompt("Password", hide_input=True, confirmation_prompt="The same again", err=True))
    else:
        try:
            password = sys.stdin.buffer.read(10_000).decode().removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError:
            raise RefusedError("the password on standard input is not UTF-8") from None
    if not password:
        raise RefusedError("no password: type one, or give it on standard input")
    if any(ord(char) < 32 or ord(char) == 127 for char in password):
        raise RefusedError("a password is one line without control characters")
    if len(password) < SHORT_PASSWORD:
        click.echo(f"taxii-fed: a password of fewer than {SHORT_PASSWORD} characters is easily guessed", err=True)
    return password


@click.command()
@click.option("--account", type=Reads("name", scalars.account_name), default="NAME", help="The account that it is for.")
@click.option("--days", type=click.IntRange(1, 3650), default=365, show_default=True, help="How long it opens the account.")
@json_option
def token(account: str, days: int, *, as_json: bool) -> None:
    """Make a token for an account. It is shown this once; the configuration holds its hash."""
    made = f"tf_{secrets.token_urlsafe(32)}"
    hashed = hashlib.sha256(made.encode()).hexdigest()
    # to the end of a whole hour, which is easier to read in a file
    hours = time.time_ns() // 3_600_000_000_000 + 1 + days * 24
    expires = f"{format_taxii(hours * 3_600_000_000)[:16]}Z"
    if as_json:
        echo_json({"account": account, "token": made, "token_hash": hashed, "expires": expires})
        return
    click.echo(f"# the token, shown this once; sent as Bearer, Token or Basic password\n{made}")
    click.echo(f"# for the accounts of the party\n{yaml_text(account)}: {{token_hash: '{hashed}', expires: '{expires}'}}")
