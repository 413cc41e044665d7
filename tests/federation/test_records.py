"""SRV records: what a domain names, in which order, and what is said of it; no name server is asked."""

from __future__ import annotations

import builtins
import json
from typing import Any

import dns.exception
import dns.rdata
import dns.resolver
import pytest
from click.testing import CliRunner

from taxii_fed.cli.main import main
from taxii_fed.core.errors import PeerUnreachableError
from taxii_fed.peers.records import servers_of


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the DNS answers: by name a list of SRV records as text, or an exception."""
    records: dict[str, Any] = {}

    def resolve(name: str, kind: str, *, lifetime: float) -> list[Any]:
        assert (kind, lifetime > 0) == ("SRV", True)
        answer = records.get(name, dns.resolver.NXDOMAIN())
        if isinstance(answer, Exception):
            raise answer
        return [dns.rdata.from_text("IN", "SRV", text) for text in answer]

    monkeypatch.setattr(dns.resolver, "resolve", resolve)
    return records


@pytest.mark.taxii("C-8.4.2-01")
def test_servers_come_in_the_order_of_priority_and_weight(zone: dict[str, Any]) -> None:
    zone["_taxii2._tcp.csirt.example"] = [
        "20 0 443 spare.csirt.example.",
        "10 1 443 light.csirt.example.",
        "10 9 8443 Heavy.csirt.example.",
    ]
    assert [each.url for each in servers_of("csirt.example")] == [
        "https://heavy.csirt.example:8443/taxii2/",
        "https://light.csirt.example/taxii2/",
        "https://spare.csirt.example/taxii2/",
    ]


def test_a_host_outside_the_domain_is_told_apart(zone: dict[str, Any]) -> None:
    zone["_taxii2._tcp.csirt.example"] = [
        "0 0 443 taxii.csirt.example.",
        "1 0 443 evilcsirt.example.",
        "2 0 443 csirt.example.",
    ]
    assert [each.within for each in servers_of("csirt.example")] == [True, False, True]


def test_servers_of_taxii_2_0_are_found_behind_those_of_2_1(zone: dict[str, Any]) -> None:
    zone["_taxii._tcp.csirt.example"] = ["0 0 443 old.csirt.example."]
    zone["_taxii2._tcp.csirt.example"] = ["0 0 443 new.csirt.example."]
    assert [each.url for each in servers_of("csirt.example")] == [
        "https://new.csirt.example/taxii2/",
        "https://old.csirt.example/taxii/",
    ]


def test_a_domain_that_says_it_has_none_has_none(zone: dict[str, Any]) -> None:
    zone["_taxii2._tcp.csirt.example"] = ["0 0 0 ."]
    zone["_taxii._tcp.csirt.example"] = dns.resolver.NoAnswer()
    assert servers_of("csirt.example") == []


def test_a_name_server_that_does_not_answer_is_an_error(zone: dict[str, Any]) -> None:
    zone["_taxii2._tcp.csirt.example"] = dns.exception.Timeout()
    with pytest.raises(PeerUnreachableError, match="the DNS does not answer"):
        servers_of("csirt.example")
    result = CliRunner().invoke(main, ["peer", "find", "csirt.example"])
    assert (result.exit_code, "the DNS does not answer" in result.stderr) == (1, True)


def test_the_command_shows_them_and_warns_of_strangers(zone: dict[str, Any]) -> None:
    zone["_taxii2._tcp.csirt.example"] = ["0 0 443 taxii.elsewhere.example."]
    result = CliRunner().invoke(main, ["peer", "find", "csirt.example"])
    assert (result.exit_code, "outside that domain" in result.stdout) == (0, True)
    found = json.loads(CliRunner().invoke(main, ["peer", "find", "csirt.example", "--json"]).stdout)
    assert found == [{"service": "_taxii2._tcp", "url": "https://taxii.elsewhere.example/taxii2/", "within": False}]
    nothing = CliRunner().invoke(main, ["peer", "find", "nobody.example"])
    assert (nothing.exit_code, "names no TAXII server" in nothing.stdout) == (1, True)


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.startswith("dns"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    result = CliRunner().invoke(main, ["peer", "find", "csirt.example"])
    assert result.exit_code == 1
    assert "deploy/install.sh --extras srv, or pip install 'taxii-fed[srv]'" in result.stderr
