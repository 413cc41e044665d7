"""Taking the place of another server: objects in the order they had there, collections as settings, accounts by name (I3, I4)."""

from __future__ import annotations

import json
import sqlite3
import uuid

import pytest
import yaml

from nodekit import indicator, stix_id
from taxii_fed.config.load import load
from taxii_fed.takeover import read_theirs

LAB, EMPTY = "91a7b528-80eb-42ed-a74d-c6fbd5a26116", "52892447-4d7e-4f70-b94d-d7f22742ff63"
ROOT = "00000000-0000-4000-8000-0000000000a0"
ADDRESS = {
    "type": "ipv4-addr",
    "spec_version": "2.1",
    "id": "ipv4-addr--ff26c055-6336-5bc5-b98d-13d6226742dd",
    "value": "198.51.100.3",
}


def ids(*numbers):
    return [stix_id("indicator", number) for number in numbers]


def dated(item, date, version=None):
    version = version or item["modified"]
    return {"id": item["id"], "date_added": date, "version": version, "media_type": "application/stix+json;version=2.1"}


@pytest.fixture
def data_file(tmp_path):
    """A data file as medallion writes one: the manifest dates objects in another order than that of the file."""
    objects = [indicator(2), indicator(1), indicator(1, version=1), ADDRESS | {"_date_added": "2026-01-04T00:00:00.000000Z"}]
    manifest = [
        dated(objects[0], "2026-01-03T00:00:00.000001Z"),
        dated(objects[1], "2026-01-01T00:00:00Z"),
        dated(objects[2], "2026-01-03T00:00:00.000000Z"),
        dated(ADDRESS, "2026-01-04T00:00:00.000000Z", "2026-01-04T00:00:00.000000Z"),
    ]
    text = json.dumps(
        {
            "/discovery": {"title": "Lab", "default": "http://localhost:5000/trustgroup1/"},
            "trustgroup1": {
                "information": {"title": "Trust Group 1", "versions": [], "max_content_length": 9},
                "status": [],
                "collections": [
                    {
                        "id": LAB, "title": "Lab: finds", "description": "Of the\nlab", "can_read": True, "can_write": True,
                        "manifest": manifest, "objects": objects,
                    },
                    {"id": EMPTY, "title": "Nothing", "can_read": True, "can_write": False, "objects": []},
                    {"id": "nothing-uuid", "title": "Nothing", "can_read": True, "can_write": False},
                ],
            },
        },
        indent=1,
    )  # fmt: skip
    file = tmp_path / "data.json"
    file.write_text(text.replace('"pattern_type": "stix"', '"pattern_type"\t:  "st\\u0069x"', 1))
    return file


@pytest.fixture
def database(tmp_path):
    """A database as OpenTAXII makes one, with its accounts in the same file."""
    file = tmp_path / "data.db"
    with sqlite3.connect(file) as db:
        db.executescript(
            'CREATE TABLE opentaxii_api_root (id CHAR(32), "default" BOOLEAN, title VARCHAR, description TEXT, is_public BOOLEAN);'
            "CREATE TABLE opentaxii_collection (id CHAR(32), api_root_id CHAR(32), title VARCHAR, description TEXT, alias VARCHAR,"
            " is_public BOOLEAN, is_public_write BOOLEAN);"
            "CREATE TABLE opentaxii_stixobject (pk CHAR(32), id VARCHAR, collection_id CHAR(32), type VARCHAR, spec_version VARCHAR,"
            " date_added DATETIME, version DATETIME, serialized_data JSON);"
            "CREATE TABLE accounts (id INTEGER, username VARCHAR, password_hash VARCHAR, is_admin BOOLEAN, _permissions TEXT);"
        )
        db.execute("INSERT INTO opentaxii_api_root VALUES (?, 1, 'The Lab', NULL, 0)", (uuid.UUID(ROOT).hex,))
        db.execute(
            "INSERT INTO opentaxii_collection VALUES (?, ?, 'finds', NULL, 'finds', 0, 0)",
            (uuid.UUID(LAB).hex, uuid.UUID(ROOT).hex),
        )
        for item, second in ((indicator(2), 3), (indicator(1), 1), (ADDRESS, 2)):
            rest = {name: value for name, value in item.items() if name not in ("id", "type", "spec_version")}
            row = (item["id"], uuid.UUID(LAB).hex, item["type"], f"2026-01-01 00:00:0{second}.000000", json.dumps(rest))
            db.execute("INSERT INTO opentaxii_stixobject VALUES ('', ?, ?, ?, '2.1', ?, '', ?)", row)
        db.execute("INSERT INTO accounts VALUES (1, 'root', 'scrypt:32768:8:1$salt$00', 1, '{}')")
        granted = json.dumps({LAB: ["read", "write"], EMPTY: ["read"]})
        db.execute("INSERT INTO accounts VALUES (2, 'siem', 'pbkdf2:sha256:1$salt$00', 0, ?)", (granted,))
    return file


def arrived(admin):
    """Return the ids that the staff sees in the order in which they came."""
    (found,) = [each for each in admin.json("view", "staff")["collections"] if each["collection"] == "banking"]
    return [entry["id"] for entry in sorted(found["objects"], key=lambda entry: entry["date_added"])]


def test_objects_of_medallion_arrive_in_the_order_of_their_dates(admin, data_file):
    told = admin.run("import", "--from", "medallion", str(data_file), "--into", "banking")
    assert told == "4 objects into banking as staff: 4 new, 0 known already\n"
    assert arrived(admin) == [*ids(1, 1, 2), ADDRESS["id"]]


@pytest.mark.invariant("I3")
def test_objects_of_medallion_keep_their_very_bytes_and_nothing_of_its_own(admin, data_file):
    admin.run("import", "--from", "medallion", str(data_file), "--into", "banking")
    told = admin.run("export", "banking")
    assert '"pattern_type"\t:  "st\\u0069x"' in told
    assert "_date_added" not in told


def test_objects_of_opentaxii_arrive_in_the_order_of_their_dates(admin, database):
    result = admin.try_("import", "--from", "opentaxii", str(database), "--into", "banking")
    assert (result.exit_code, result.stdout) == (0, "3 objects into banking as staff: 3 new, 0 known already\n")
    assert arrived(admin) == [*ids(1), ADDRESS["id"], *ids(2)]
    assert "Accounts do not come along, and need new passwords: root, siem" in result.stderr
    assert json.loads(admin.run("export", "banking"))["objects"][0] == indicator(1)


@pytest.mark.invariant("I4")
@pytest.mark.parametrize("server", ["medallion", "opentaxii"])
def test_a_second_import_changes_nothing(admin, server, data_file, database):
    words = ("import", "--from", server, str(data_file if server == "medallion" else database), "--into", "banking")
    admin.run(*words)
    assert " 0 new" in admin.run(*words)


@pytest.mark.parametrize("server", ["medallion", "opentaxii"])
def test_their_collections_are_written_as_settings_that_load(admin, server, data_file, database):
    told = admin.run("import", "--from", server, str(data_file if server == "medallion" else database))
    found = yaml.safe_load(told)
    root, title = ("trustgroup1", "Trust Group 1") if server == "medallion" else ("the-lab", "The Lab")
    assert found["api_roots"] == {root: {"title": title, "default": True}}
    assert next(iter(found["collections"].values()))["id"] == LAB
    admin.edit((", default: true", ""), ("store:\n", "include: more.yaml\nstore:\n"))
    (admin.folder / "more.yaml").write_text(told)
    settings = load(admin.config)
    assert {each.id for each in settings.collections.values()} >= {LAB}
    assert all(name in settings.collections for name in found["collections"])


def test_an_id_that_can_not_be_kept_is_told(admin, data_file):
    told = admin.run("import", "--from", "medallion", str(data_file))
    assert "# nothing-uuid there, which is no version 4 UUID" in told


def test_accounts_are_named_with_their_rights_and_never_their_passwords(admin, data_file, database, tmp_path):
    told = admin.run("import", "--from", "opentaxii", str(database))
    assert "#   root (admin; kept as scrypt): taxii-fed hash-password --account root" in told
    assert f"#   siem ({LAB}: read and write, {EMPTY}: read; kept as pbkdf2): taxii-fed hash-password --account siem" in told
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"users": {"ann": "s3cret"}}))
    told = admin.run("import", "--from", "medallion", str(data_file), "--accounts", str(config), "--json")
    assert json.loads(told)["accounts"] == [{"name": "ann", "rights": "may do everything", "kept": "in plain text"}]
    assert "s3cret" not in told


def test_of_several_collections_one_is_named(admin, data_file):
    data = json.loads(data_file.read_text())
    data["trustgroup1"]["collections"][1]["objects"] = [indicator(7)]
    data_file.write_text(json.dumps(data))
    words = ("import", "--from", "medallion", str(data_file), "--into", "banking")
    for theirs in ((), ("--theirs", "nonsense")):
        result = admin.try_(*words, *theirs)
        assert (result.exit_code, f"{LAB} (Lab: finds, 4 objects); {EMPTY} (Nothing, 1 object)" in result.stderr) == (2, True)
        assert ("no collection 'nonsense' is there" in result.stderr) is bool(theirs)
    assert admin.run(*words, "--theirs", EMPTY) == "1 object into banking as staff: 1 new, 0 known already\n"


def test_what_can_not_be_taken_is_told_with_its_place(admin, data_file):
    data = json.loads(data_file.read_text())
    data["trustgroup1"]["collections"][0]["objects"][1] = {"type": "indicator"}
    data_file.write_text(json.dumps(data))
    result = admin.try_("import", "--from", "medallion", str(data_file), "--into", "banking")
    assert (result.exit_code, "3 new, 0 known already, 1 not taken" in result.stdout) == (1, True)


@pytest.mark.parametrize(
    ("server", "content", "told"),
    [
        ("medallion", b"nothing", "no JSON text"),
        ("medallion", b"[]", "holds no JSON object"),
        ("medallion", b"{}", "no API root with collections is in it"),
        ("medallion", b'"\xff"', "not UTF-8"),
        ("opentaxii", b"nothing", "no SQLite database that can be read"),
        ("opentaxii", b"", "there is no table opentaxii_stixobject"),
    ],
)
def test_a_file_of_something_else_is_refused(admin, server, content, told):
    file = admin.folder / "odd"
    file.write_bytes(content)
    result = admin.try_("import", "--from", server, str(file), "--into", "banking")
    assert (result.exit_code, told in result.stderr) == (1, True)


def test_options_that_need_a_server_say_so(admin, data_file):
    result = admin.try_("import", str(data_file), "--into", "banking", "--theirs", LAB)
    assert (result.exit_code, "go with --from" in result.stderr) == (2, True)


def test_an_object_without_a_date_stays_behind_the_one_before_it(data_file):
    data = json.loads(data_file.read_text())
    lab = data["trustgroup1"]["collections"][0]
    lab["objects"] = [indicator(3), indicator(2), indicator(4), indicator(1)]
    data_file.write_text(json.dumps(data))
    found = read_theirs("medallion", data_file).objects(LAB)
    assert [json.loads(each)["id"] for each in found] == ids(3, 1, 2, 4)


def test_a_data_file_of_taxii_2_0_dates_all_versions_of_an_object_at_once(data_file):
    data = json.loads(data_file.read_text())
    lab = data["trustgroup1"]["collections"][0]
    plain = [
        {name: value for name, value in indicator(number, version=version).items() if name != "spec_version"}
        for number, version in ((2, 0), (1, 0), (1, 1))
    ]
    lab["objects"] = plain
    lab["manifest"] = [
        {"id": plain[0]["id"], "date_added": "2026-01-02T00:00:00Z", "versions": [plain[0]["modified"]]},
        {"id": plain[1]["id"], "date_added": "2026-01-01T00:00:00Z", "versions": [each["modified"] for each in plain[1:]]},
    ]
    data_file.write_text(json.dumps(data))
    found = [json.loads(each) for each in read_theirs("medallion", data_file).objects(LAB)]
    assert found == [plain[1], plain[2], plain[0]]


@pytest.mark.parametrize("change", ["ALTER TABLE accounts DROP COLUMN is_admin", "UPDATE accounts SET _permissions = 'all'"])
def test_a_database_of_another_version_is_refused(admin, database, change):
    with sqlite3.connect(database) as db:
        db.execute(change)
    result = admin.try_("import", "--from", "opentaxii", str(database), "--into", "banking")
    assert (result.exit_code, "no database of a version of OpenTAXII that is understood here" in result.stderr) == (1, True)


@pytest.mark.parametrize("content", [None, "null", "7"])
def test_a_row_without_content_is_told_and_the_others_are_taken(admin, database, content):
    with sqlite3.connect(database) as db:
        db.execute("UPDATE opentaxii_stixobject SET serialized_data = ? WHERE id = ?", (content, indicator(1)["id"]))
    result = admin.try_("import", "--from", "opentaxii", str(database), "--into", "banking")
    assert (result.exit_code, "2 new, 0 known already, 1 not taken" in result.stdout) == (1, True)
