"""Secrets come from outside the file or are hashes, and are never shown."""

import json

import pytest

from taxii_fed.config.convert import in_force
from taxii_fed.config.load import load
from taxii_fed.core.rules.model import to_doc

from .conftest import FULL, NODE

WORD = "correct-horse-battery"
URL = "    url: https://taxii.eu-csirt.example/taxii2/\n"
HASH = "$argon2id$v=19$m=65536,t=3,p=4$v37TGFkKs3BdPVELmS0DHA$hPC2I5EFLXLGCpohNqkoamwvrHti+dF9Auqksd3gGjI"


def test_no_dump_shows_a_secret(write, folder):
    (folder / "password").write_text(WORD)
    text = FULL.replace(URL, URL + "    auth: {username: hub, password: {file: password}}\n    proxy: {file: proxy}\n")
    (folder / "proxy").write_text(f"http://hub:{WORD}@proxy.example:3128")
    text = text.replace("{token_hash:", f"{{password_hash: '{HASH}', token_hash:")
    settings = load(write(text))
    key = (folder / "node.key").read_text().strip()
    shown = [
        repr(settings),
        str(settings),
        repr(settings.model_dump()),
        settings.model_dump_json(),
        json.dumps(to_doc(in_force(settings))),
    ]
    for secret in (WORD, key, bytes.fromhex(key).hex(), HASH, "a" * 64):
        assert not any(secret in text for text in shown)
    peer = settings.peers["eu-csirt"]
    assert peer.auth.password.get_secret_value() == WORD
    assert settings.node.secret.get_secret_value() == bytes.fromhex(key)


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("secret: {file: node.key}", f"secret: {WORD}"),
        (URL, URL + f"    auth: {{username: hub, password: {WORD}}}\n"),
        (URL, URL + f"    auth: {{token: {WORD}}}\n"),
        (URL, URL + f"    auth: {{header: {{name: X-Key, value: {WORD}}}}}\n"),
        (URL, URL + f"    proxy: http://hub:{WORD}@proxy.example:3128\n"),
        (URL, f"    url: https://hub:{WORD}@taxii.eu-csirt.example/taxii2/\n"),
        ("{token_hash:", f"{{password_hash: {WORD}, token_hash:"),
        ("token_hash: a", f"token_hash: {WORD}a"),
        ("server:\n", f"store:\n  url: mongodb://hub:{WORD}@db.example/taxii_fed\nserver:\n"),
        # beside another mistake on the same line
        (URL, URL + f"    auth: {{usernam: hub, password: {WORD}}}\n"),
        (URL, URL + f"    auth: {{username: hub, pasword: {WORD}}}\n"),
        (URL, URL + f"    auth: {{username: hub, passwd: '{WORD}'}}\n"),
        (URL, URL + f'    auth: {{tokn: "{WORD}"}}\n'),
        # two of them on one line
        (URL, URL + f"    auth: {{username: hub, password: {WORD}, token: {WORD}}}\n"),
    ],
)
def test_a_secret_in_the_file_is_refused_and_not_repeated(mistakes, good, bad):
    found = mistakes(FULL.replace(good, bad))
    assert found
    assert not any(WORD in text for problem in found for text in (problem.render(), json.dumps(problem.to_json())))


def test_a_hash_of_another_kind_is_refused(mistakes):
    bcrypt = "$2b$12$C6UzMDM.H6dfI/f/IKcEeO7GhZ1w8G9bqv1f8S0yF4m3l5nQ8uWyS"
    (problem,) = mistakes(FULL.replace("{token_hash:", f"{{password_hash: '{bcrypt}', token_hash:"))
    assert "an argon2id hash in single quotes" in problem.expected


def test_a_secret_that_is_empty_is_refused(mistakes, folder):
    (folder / "empty").write_text("\n")
    (problem,) = mistakes(FULL.replace(URL, URL + "    auth: {token: {file: empty}}\n"))
    assert problem.message == "the secret is empty"


def test_a_key_in_the_environment_is_taken(write, monkeypatch):
    monkeypatch.setenv("NODE_KEY", "0123456789abcdef" * 4)
    settings = load(write(NODE.replace("{file: node.key}", "{env: NODE_KEY}")))
    assert len(settings.node.secret.get_secret_value()) == 32
