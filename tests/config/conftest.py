"""A small valid configuration that tests bend."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path

import pytest

from taxii_fed.config.load import load
from taxii_fed.config.problems import Problem
from taxii_fed.core.errors import ConfigError

NODE = """\
node:
  name: hk-hub
  title: Hong Kong hub
  organisation: Harbour Exchange
  jurisdiction: HK
  identity: identity--0a1f6f0e-6d0e-4c0e-8c57-0d9d3c0e6b11
  secret: {file: node.key}
server:
  public_url: https://taxii.harbour.example/
"""

FULL = (
    NODE
    + """\
api_roots:
  finance: {title: Financial sector, default: true}
collections:
  banking: {id: 5d1f0a3e-8c2d-4b6a-9f3e-1a2b3c4d5e6f, api_root: finance, title: Banking, sector: financial-services}
  payments: {id: 6e2a1b4f-9d3e-4c7b-8a4f-2b3c4d5e6f70, api_root: finance, title: Payments}
jurisdictions:
  EU: [AT, DE, NO]
communities: [hk-banking]
parties:
  harbour-bank:
    role: bank
    jurisdiction: HK
    organisation: Harbour Bank
    communities: [hk-banking]
    publish: [banking]
    accounts:
      siem: {token_hash: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa}
  eu-csirt: {role: peer, jurisdiction: EU, organisation: EU FI-CSIRT}
peers:
  eu-csirt:
    url: https://taxii.eu-csirt.example/taxii2/
    pull:
      - {theirs: 91d0, ours: banking}
share:
  banks read banking:
    to: {community: hk-banking}
    in: [banking]
    up_to: AMBER
"""
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a node key in it."""
    (tmp_path / "node.key").write_text(secrets.token_hex(32) + "\n")
    return tmp_path


@pytest.fixture
def write(folder: Path) -> Callable[..., Path]:
    """Write a configuration, and more files beside it, and return its path."""

    def write(text: str, **more: str) -> Path:
        path = folder / "taxii-fed.yaml"
        path.write_text(text)
        for name, content in more.items():
            other = folder / f"{name.replace('__', '/')}.yaml"
            other.parent.mkdir(exist_ok=True)
            other.write_text(content)
        return path

    return write


@pytest.fixture
def mistakes(write: Callable[..., Path]) -> Callable[..., list[Problem]]:
    """Return the mistakes in a configuration."""

    def mistakes(text: str, **more: str) -> list[Problem]:
        path = write(text, **more)
        try:
            load(path)
        except ConfigError as error:
            return [problem for problem in error.problems if isinstance(problem, Problem)]
        return []

    return mistakes
