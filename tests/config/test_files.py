"""Files: includes, encodings, and everything that is not the YAML that it should be. Always a located mistake."""

import os

import pytest

from taxii_fed.config.load import load, loads
from taxii_fed.config.problems import Problem
from taxii_fed.core.errors import ConfigError

from .conftest import FULL, NODE

INCLUDE = "include: [conf.d/*.yaml]\n"


def told(path):
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert all(isinstance(problem, Problem) for problem in caught.value.problems)
    return caught.value.problems


def only(path):
    (problem,) = told(path)
    return problem


def place(problem):
    return problem.file.rsplit("/", 1)[1], problem.line, problem.column


class TestIncludes:
    def test_maps_of_several_files_merge_by_key(self, write):
        files = {"conf.d__a": "parties:\n  other: {role: vendor}\n", "conf.d__b": "jurisdictions: {US: []}\n"}
        settings = load(write(INCLUDE + FULL, **files))
        assert sorted(settings.parties) == ["eu-csirt", "harbour-bank", "other"]
        assert sorted(settings.jurisdictions) == ["EU", "US"]

    def test_a_key_in_two_files_is_an_error_with_both_places(self, write):
        problem = only(write(INCLUDE + FULL, **{"conf.d__a": "\nparties:\n  harbour-bank: {role: vendor}\n"}))
        assert place(problem) == ("a.yaml", 3, 3)
        assert problem.path == "parties.harbour-bank"
        first = FULL.splitlines().index("  harbour-bank:") + 2
        assert problem.message.endswith(f"taxii-fed.yaml:{first}:3")

    def test_a_section_that_is_no_map_may_stand_in_one_file_only(self, write):
        problem = only(write(INCLUDE + FULL, **{"conf.d__a": "communities: [other]\n"}))
        assert (place(problem), problem.path) == (("a.yaml", 1, 1), "communities")

    def test_a_mistake_in_an_included_file_is_told_there(self, write):
        problem = only(write(INCLUDE + NODE, **{"conf.d__a": "parties:\n  other:\n    rol: vendor\n    role: own\n"}))
        assert (place(problem), problem.hint) == (("a.yaml", 3, 5), "'role'")

    def test_paths_are_relative_to_the_file_in_which_they_stand(self, write, folder):
        (folder / "conf.d").mkdir()
        (folder / "conf.d" / "secret.txt").write_text("Organisation from beside\n")
        files = {"conf.d__a": "parties:\n  other: {role: vendor, organisation: {file: secret.txt}}\ninclude: deeper/x.yaml\n"}
        files["conf.d/deeper__x"] = "parties: {deep: {role: vendor}}\n"
        (folder / "conf.d" / "deeper").mkdir()
        settings = load(write(INCLUDE + NODE, **files))
        assert settings.parties["other"].organisation == "Organisation from beside"
        assert "deep" in settings.parties

    def test_a_pattern_that_matches_nothing_is_an_error(self, write):
        problem = only(write(INCLUDE + NODE))
        assert (place(problem), problem.path) == (("taxii-fed.yaml", 1, 11), "include[0]")
        assert "no file matches 'conf.d/*.yaml'" in problem.message

    def test_files_that_include_each_other_are_an_error(self, write):
        problem = only(write(INCLUDE + NODE, **{"conf.d__a": "include: [../taxii-fed.yaml]\n"}))
        assert place(problem)[0] == "a.yaml"
        assert "in a loop: taxii-fed.yaml → a.yaml → taxii-fed.yaml" in problem.message

    def test_a_file_that_includes_itself_is_an_error(self, write):
        assert "in a loop" in only(write("include: '*.yaml'\n" + NODE)).message

    def test_a_file_included_twice_is_an_error(self, write):
        problem = only(write("include: [conf.d/a.yaml, conf.d/*.yaml]\n" + NODE, **{"conf.d__a": "parties: {}\n"}))
        assert "a.yaml is included twice, first at" in problem.message

    @pytest.mark.parametrize("value", ["{a: b}", "[[a]]", "['']"])
    def test_an_include_that_is_no_list_of_names_is_an_error(self, write, value):
        assert only(write(f"include: {value}\n{NODE}")).path.startswith("include")

    def test_every_broken_file_is_told_at_once(self, write):
        problems = told(write(INCLUDE + NODE, **{"conf.d__a": "parties:\n\tx: 1\n", "conf.d__b": "- a\n"}))
        assert [place(problem)[0] for problem in problems] == ["a.yaml", "b.yaml"]


class TestUnreadable:
    def test_a_missing_file_is_named(self, tmp_path):
        problem = only(tmp_path / "none.yaml")
        assert str(problem) == problem.render() == f"{tmp_path / 'none.yaml'}: no such file"

    def test_a_folder_is_no_file(self, tmp_path):
        assert only(tmp_path).message == "is a folder, not a file"

    @pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
    def test_a_file_without_permission_is_told_of(self, write):
        path = write(NODE)
        path.chmod(0)
        assert "can't be read" in only(path).message

    def test_a_name_that_no_file_can_have_is_told_of(self, tmp_path):
        assert only(tmp_path / ("x" * 300)).message.startswith("can't be read")

    def test_an_empty_file_is_a_mistake_in_its_first_line(self, write):
        for text in ("", "\n\n", "# only a comment\n", "---\n"):
            assert only(write(text)).line == 1

    def test_a_list_at_the_top_is_no_configuration(self, write):
        problem = only(write("- node\n- server\n"))
        assert (place(problem), problem.found) == (("taxii-fed.yaml", 1, 1), "a list")

    def test_a_text_at_the_top_is_no_configuration(self, write):
        assert only(write("node\n")).found == "a text"

    def test_a_file_named_by_mistake_is_not_repeated(self, folder):
        key = (folder / "node.key").read_text().strip()
        assert key not in only(folder / "node.key").render()

    def test_bytes_that_are_not_utf_8_are_refused(self, folder):
        path = folder / "taxii-fed.yaml"
        path.write_bytes(b"node:\n  title: Z\xc3\xbcrich \xfc\n")
        problem = only(path)
        assert (place(problem), "0xfc" in problem.message) == (("taxii-fed.yaml", 2, 17), True)

    def test_a_byte_order_mark_is_taken(self, folder):
        path = folder / "taxii-fed.yaml"
        path.write_bytes(b"\xef\xbb\xbf" + NODE.encode())
        assert load(path).node.name == "hk-hub"

    def test_windows_line_ends_are_taken(self, folder):
        path = folder / "taxii-fed.yaml"
        path.write_bytes(NODE.replace("\n", "\r\n").encode())
        assert load(path).node.title == "Hong Kong hub"


class TestNotYaml:
    @pytest.mark.parametrize(
        ("text", "where", "words"),
        [
            ("node:\n\tname: x\n", (2, 1), "a tab: indent with spaces"),
            ("node:\n  title: a: b\n", (2, 11), "a ':' where none can stand"),
            ("node: [a, b\nserver: x\n", (2, 7), "that begins at"),
            ("node: @x\n", (1, 7), "put the text in quotes"),
            ('node: "x\n', (2, 1), "unexpected end of stream"),
            ("node: *x\n", (1, 7), "undefined alias"),
            ("node: 1\n---\nserver: 2\n", (2, 1), "a second document"),
            ("node: &a [*a]\n", (1, 7), "an alias inside the value"),
            ("node: !!python/object:os.system x\n", (1, 7), "has no meaning here"),
            ("node: !secret x\n", (1, 7), "has no meaning here"),
            ("? [a, b]\n: c\n", (1, 3), "a name before ':'"),
            ("node: a\x07b\n", (1, 8), "U+0007"),
            ("node: " + "[" * 60 + "]" * 60 + "\n", (1, 36), "nested deeper than 30 levels"),
            ("node: " + "[" * 5000, (1, 36), "nested deeper than 30 levels"),
            ('node: "\\UFFFFFFFF"\n', (1, 10), "no such character"),
            ("%YAML 3.0\n---\nnode: x\n", (1, 1), "incompatible"),
            ("node:\n  title: 'x\n  name: y\n", (4, 1), "the quote opened on line 2 never closes"),
            (
                'node:\n  title: "x\n  name: "y"\n',
                (3, 10),
                "taxii-fed.yaml:2:10 closes only at the next quote, on line 3",
            ),
            ('node:\n  title: "x" y\n', (2, 14), "put all of it between one pair of quotes"),
            ("node:\n  name: x\n   title: y\n", (3, 9), "line 3 is indented by 3, the line above it by 2"),
            ("node:\n  name: x\n title: y\n", (3, 2), "line 3 is indented by 1, the line above it by 2"),
            ("node:\n  a: {b: c}\n\n  # d\n   e: f\n", (5, 4), "line 5 is indented by 3, the line above it by 2"),
            (
                "node:\n  name: x\n \u00a0title: y\n",
                (3, 2),
                "an invisible character, U+00A0 NO-BREAK SPACE",
            ),
            ("node:\n  name:\u00a0x\n  title: y\n", (3, 8), "taxii-fed.yaml:2:8: type a plain space"),
            ("node:\n\u00a0 name: x\n", (2, 1), "an invisible character, U+00A0"),
            ("node:\n  name\u200b: x\n", (2, 3), "an invisible character, U+200B ZERO WIDTH SPACE"),
        ],
    )
    def test_it_is_told_where_and_why(self, write, text, where, words):
        problem = only(write(text))
        assert ((problem.line, problem.column), words in problem.sentence) == (where, True), problem.render()

    def test_aliases_are_taken(self, write):
        text = FULL.replace("to: {community: hk-banking}", "to: &banks {community: hk-banking}")
        settings = load(write(text + "never:\n  no:\n    to: *banks\n"))
        assert settings.never["no"].to == settings.share["banks read banking"].to

    def test_merge_keys_are_refused(self, write):
        text = FULL.replace("to: {community: hk-banking}", "to: &banks {community: hk-banking}")
        (problem,) = told(write(text + "never:\n  no:\n    to: {<<: *banks}\n"))
        assert (problem.path, "merge keys are not read" in problem.message) == ('never.no.to."<<"', True)

    def test_aliases_that_nest_are_bounded(self, write):
        chain = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 60))
        assert "nested deeper than 30 levels" in only(write(chain)).message

    def test_aliases_that_multiply_are_bounded(self, write):
        bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
            f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
        )
        assert "once aliases are written out" in only(write(bomb)).message


def test_a_text_can_stand_in_for_a_file(folder):
    assert loads(NODE, folder).store.url.path == folder / "taxii-fed.db"
    with pytest.raises(ConfigError, match=r"taxii-fed\.yaml:1:1: nod: unknown key"):
        loads(NODE.replace("node:", "nod:"), folder)
