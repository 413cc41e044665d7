"""The commands around a configuration, as an admin uses them: exit codes, streams, and never a traceback."""

import hashlib
import importlib
import json
import os
import pty
import signal
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import argon2
import click
import pytest
import yaml
from click.testing import CliRunner

from taxii_fed.cli.main import COMMANDS, main
from taxii_fed.config.load import load

from .conftest import FULL, NODE


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Run a command line in an empty folder."""
    monkeypatch.delenv("TAXII_FED_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)

    def run(*arguments, stdin=None):
        result = CliRunner().invoke(main, [str(each) for each in arguments], input=stdin, catch_exceptions=True)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


class TestCheck:
    def test_a_good_file_is_said_to_be_good(self, run, write, folder):
        (folder / "node.key").chmod(0o600)
        result = run("--config", write(NODE), "check")
        assert (result.exit_code, result.stderr) == (0, "")
        assert "good: 0 collections, 0 parties, 0 peers, 0 sharing rules" in result.stdout

    def test_mistakes_go_to_standard_error_with_exit_code_78(self, run, write):
        result = run("--config", write(NODE.replace("title", "titel")), "check")
        assert (result.exit_code, result.stdout) == (78, "")
        assert "taxii-fed.yaml:3:3: node.titel: unknown key (did you mean 'title'?)" in result.stderr
        assert "    3 |   titel: Hong Kong hub\n      |   ^^^^^\n" in result.stderr
        assert result.stderr.endswith("2 mistakes in the configuration\n")

    def test_warnings_leave_the_exit_code_at_0(self, run, write):
        result = run("--config", write(FULL), "check")
        assert result.exit_code == 0
        assert "warning: " in result.stderr
        assert "collections.payments: no party publishes here" in result.stderr

    def test_json_holds_every_mistake(self, run, write):
        result = run("--config", write(NODE.replace("title", "titel")), "check", "--json")
        assert result.exit_code == 78
        doc = json.loads(result.stdout)
        assert (doc["ok"], len(doc["errors"])) == (False, 2)
        assert doc["errors"][1] | {"file": ""} == {
            "file": "",
            "line": 3,
            "column": 3,
            "path": "node.titel",
            "message": "unknown key",
            "found": "",
            "expected": "",
            "hint": "'title'",
            "text": "unknown key (did you mean 'title'?)",
        }

    def test_json_holds_every_warning(self, run, write):
        doc = json.loads(run("--config", write(FULL), "check", "--json").stdout)
        assert doc["ok"] is True
        assert {each["path"] for each in doc["warnings"]} >= {"collections.payments"}

    @pytest.mark.parametrize(("name", "why"), [("none.yaml", "no such file"), (".", "is a folder, not a file")])
    def test_a_file_that_is_none_is_named_in_one_line(self, run, name, why):
        result = run("--config", name, "check")
        assert (result.exit_code, result.stderr.endswith(f"{why}\n"), result.stderr.count("\n")) == (78, True, 1)

    def test_the_environment_names_the_file(self, run, write, monkeypatch):
        monkeypatch.setenv("TAXII_FED_CONFIG", str(write(NODE)))
        assert run("check").exit_code == 0

    def test_a_file_in_the_working_folder_is_found(self, run, write):
        write(NODE)
        assert "taxii-fed.yaml: good" in run("check").stdout

    def test_without_a_file_the_command_line_is_wrong(self, run):
        result = run("check")
        assert (result.exit_code, "--config FILE or TAXII_FED_CONFIG" in result.stderr) == (2, True)


class TestGroup:
    def test_every_command_in_the_table_exists_under_its_name(self):
        for name, target in COMMANDS.items():
            module, _, attribute = target.partition(":")
            command = getattr(importlib.import_module(module), attribute)
            assert isinstance(command, click.Command)
            assert command.name == name

    def test_a_misspelt_command_is_answered_with_the_nearest(self, run):
        result = run("chekc")
        assert (result.exit_code, "'check'" in result.stderr) == (2, True)

    def test_help_lists_every_command(self, run):
        result = run("--help")
        assert [name for name in COMMANDS if f"  {name}" not in result.stdout] == []

    def test_check_does_not_load_the_server(self, write):
        script = (
            "import sys; from taxii_fed.cli.main import main; main(sys.argv[1:], standalone_mode=False); print(*sys.modules)"
        )
        command = [sys.executable, "-c", script, "--config", str(write(NODE)), "check"]
        loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        assert not {"flask", "gunicorn", "requests", "taxii2client", "stix2", "argon2", "rich"} & set(loaded)

    def test_a_pipe_that_closes_ends_quietly(self, write):
        command = f"{sys.executable} -m taxii_fed schema | head -1"
        done = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
        assert (done.stdout, done.stderr) == ("{\n", "")


class TestInit:
    def made(self, run, *options):
        result = run("init", "node", *options, "--json")
        assert result.exit_code == 0, result.stderr
        return json.loads(result.stdout)

    def test_what_it_makes_passes_check_without_warnings_at_once(self, run, tmp_path):
        self.made(run)
        result = run("--config", "node/taxii-fed.yaml", "check")
        assert (result.exit_code, result.stderr) == (0, "")

    def test_options_say_what_the_node_is(self, run, tmp_path):
        options = ["--name", "no-hub", "--organisation", "Fjord: «Bank» & 'Sons'", "--jurisdiction", "NO", "--account", "siem"]
        made = self.made(run, *options, "--sectors", "banking, insurance,123", "--url", "https://taxii.fjord.example/base/")
        settings = load(made["config"])
        assert (settings.node.name, settings.node.organisation) == ("no-hub", "Fjord: «Bank» & 'Sons'")
        assert settings.node.jurisdiction == settings.parties["staff"].jurisdiction == "NO"
        assert settings.server.public_url == "https://taxii.fjord.example/base"
        assert list(settings.collections) == ["banking", "insurance", "123"]
        assert settings.parties["staff"].publish == ("banking", "insurance", "123")
        assert list(settings.parties["staff"].accounts) == ["siem"]

    def test_the_password_that_is_shown_opens_the_account(self, run):
        made = self.made(run)
        account = load(made["config"]).parties[made["party"]].accounts[made["account"]]
        assert argon2.PasswordHasher().verify(account.password_hash.get_secret_value(), made["password"])
        assert made["password"] not in Path(made["config"]).read_text()

    def test_staff_reads_everything_and_nobody_else_does(self, run):
        (rule,) = load(self.made(run)["config"]).share.values()
        assert rule.to.role == ("own",)
        assert {str(rule.up_to), str(rule.relayed_up_to)} == {"RED"}

    def test_the_key_is_for_its_owner_alone(self, run, tmp_path):
        self.made(run)
        assert stat.S_IMODE((tmp_path / "node" / "node.key").stat().st_mode) == 0o600

    def test_two_nodes_share_nothing(self, run):
        first, second = json.loads(run("init", "a", "--json").stdout), json.loads(run("init", "b", "--json").stdout)
        one, other = load(first["config"]), load(second["config"])
        assert one.node.secret != other.node.secret
        assert one.node.identity != other.node.identity
        assert first["password"] != second["password"]
        assert {each.id for each in one.collections.values()}.isdisjoint(each.id for each in other.collections.values())

    @pytest.mark.parametrize("name", ["taxii-fed.yaml", "node.key"])
    def test_a_folder_that_holds_a_node_is_left_alone(self, run, tmp_path, name):
        (tmp_path / name).write_text("here before\n")
        result = run("init", ".")
        assert (result.exit_code, f"already holds {name}" in result.stderr) == (1, True)
        assert sorted(path.name for path in tmp_path.iterdir()) == [name]
        assert (tmp_path / name).read_text() == "here before\n"

    def test_a_file_in_the_way_is_told(self, run, tmp_path):
        (tmp_path / "node").write_text("")
        result = run("init", "node/inner")
        assert (result.exit_code, result.stderr.startswith("taxii-fed: ")) == (1, True)

    @pytest.mark.parametrize(
        ("option", "value", "words"),
        [
            ("--name", "a name", "a name made of letters"),
            ("--url", "taxii.example", "a URL such as"),
            ("--sectors", " , ", "names of sectors"),
            ("--sectors", "a-b,a_b", "differ in more"),
            ("--account", "a:b", "a user name without spaces"),
            ("--organisation", "a\nb", "a text on one line"),
        ],
    )
    def test_a_wrong_option_is_told_and_nothing_is_made(self, run, tmp_path, option, value, words):
        result = run("init", "node", option, value)
        assert (result.exit_code, words in result.stderr) == (2, True)
        assert not (tmp_path / "node").exists()

    def test_a_url_with_the_path_of_discovery_is_taken_without_it_and_that_is_said(self, run):
        result = run("init", "node", "--url", "https://taxii.fjord.example/taxii2/")
        assert "the server adds /taxii2/ by itself" in result.stderr
        assert load("node/taxii-fed.yaml").server.public_url == "https://taxii.fjord.example"
        assert "https://taxii.fjord.example/taxii2/\n" in result.stdout

    def test_what_comes_next_can_be_typed_whatever_the_folder_is_called(self, run):
        assert "taxii-fed --config 'node 2/taxii-fed.yaml' check" in run("init", "node 2").stdout

    def test_a_person_is_told_what_comes_next(self, run):
        result = run("init", "node")
        assert "password (shown this once)" in result.stdout
        assert "taxii-fed --config node/taxii-fed.yaml check" in result.stdout


class TestHashPassword:
    def test_a_password_from_a_pipe_gives_the_hash_alone(self, run):
        result = run("hash-password", stdin="a long enough password\n")
        assert (result.exit_code, result.stderr) == (0, "")
        assert argon2.PasswordHasher().verify(result.stdout.removesuffix("\n"), "a long enough password")

    def test_the_line_for_an_account_can_be_pasted(self, run):
        result = run("hash-password", "--account", "on", stdin="a long enough password")
        (line,) = result.stdout.splitlines()
        ((name, account),) = yaml.safe_load(line).items()
        assert name == "on"
        assert argon2.PasswordHasher().verify(account["password_hash"], "a long enough password")

    @pytest.mark.parametrize("stdin", ["", "\n", "two\nlines\n", "tab\there", b"Z\xfcrich"])
    def test_what_is_no_password_is_refused(self, run, stdin):
        result = run("hash-password", stdin=stdin)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith("taxii-fed: ")

    def test_a_short_password_is_hashed_with_a_word_of_warning(self, run):
        result = run("hash-password", stdin="short")
        assert (result.exit_code, "easily guessed" in result.stderr) == (0, True)
        assert result.stdout.startswith("$argon2id$")

    def test_in_a_terminal_it_is_typed_twice_and_not_shown(self):
        child, terminal = pty.fork()
        if child == 0:
            os.execv(sys.executable, [sys.executable, "-m", "taxii_fed", "hash-password"])
        shown = b""
        for _ in range(2):
            while not shown.endswith((b"Password: ", b"again: ")):
                shown += os.read(terminal, 1000)
            os.write(terminal, b"typed by a person\n")
            shown += b"."
        while True:
            try:
                shown += os.read(terminal, 1000)
            except OSError:
                break
        assert os.waitpid(child, 0)[1] == 0
        assert b"typed by a person" not in shown
        assert argon2.PasswordHasher().verify(shown.decode().split()[-1], "typed by a person")


class TestToken:
    def test_the_hash_is_that_of_the_token(self, run):
        doc = json.loads(run("token", "--account", "soar", "--json").stdout)
        assert hashlib.sha256(doc["token"].encode()).hexdigest() == doc["token_hash"]

    def test_what_it_prints_is_yaml_for_the_accounts_of_a_party(self, run, write):
        lines = run("token", "--account", "soar", "--days", 30).stdout.splitlines()
        made = yaml.safe_load(lines[-1])
        text = FULL.replace("    accounts:\n", f"    accounts:\n      {lines[-1]}\n")
        account = load(write(text)).parties["harbour-bank"].accounts["soar"]
        assert account.token_hash.get_secret_value() == made["soar"]["token_hash"]
        assert account.expires_at is not None
        assert hashlib.sha256(lines[1].encode()).hexdigest() == made["soar"]["token_hash"]


def test_schema_is_json(run):
    assert json.loads(run("schema").stdout)["title"] == "taxii-fed configuration"


class TestCtrlC:
    def test_it_ends_a_command_without_a_word_while_imports_run(self, tmp_path):
        # stands in for a module that takes its time
        (tmp_path / "click.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nsignal.pause()\n")
        ended = subprocess.run(
            [sys.executable, "-m", "taxii_fed", "check"],
            env=os.environ | {"PYTHONPATH": str(tmp_path)},
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert (ended.returncode, ended.stdout, ended.stderr) == (130, b"", b"")

    def test_it_ends_a_command_without_a_word_while_it_works(self, run, write, monkeypatch):
        monkeypatch.setattr("taxii_fed.cli.config.read", lambda _: signal.raise_signal(signal.SIGINT))
        result = run("--config", write(NODE), "check")
        assert (result.exit_code, result.output) == (130, "")

    def test_the_installed_command_answers_it_from_the_beginning(self):
        project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
        assert project["project"]["scripts"] == {"taxii-fed": "taxii_fed.__main__:run"}
