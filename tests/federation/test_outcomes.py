"""What came of a pull is told in words."""

import pytest

from taxii_fed.core.rules.door import Ruling
from taxii_fed.services.federation.outcomes import ECHO, NOT_GIVEN, in_words
from taxii_fed.services.intake.ingest import DELETED


def test_what_was_taken_in_comes_first():
    assert in_words({ECHO: 1, Ruling.KNOWN: 16, Ruling.NOTICE: 4, Ruling.NEW: 2, DELETED: 3}) == (
        "2 new, 16 known already, 4 telling of a withdrawal, 3 gone there, 1 come back to us"
    )
    assert in_words({}) == ""


@pytest.mark.parametrize("outcome", [*map(str, Ruling), DELETED, ECHO, NOT_GIVEN])
def test_every_outcome_has_words_of_its_own(outcome):
    others = {in_words({each: 1}) for each in [*map(str, Ruling), DELETED, ECHO, NOT_GIVEN] if each != outcome}
    assert in_words({outcome: 1}) not in others
    assert outcome in (Ruling.NEW, Ruling.INVALID) or in_words({outcome: 1}) != f"1 {outcome}"


def test_an_outcome_that_a_later_version_wrote_stands_at_the_end_as_it_is():
    assert in_words({"some-new-thing": 2, Ruling.NEW: 1}) == "1 new, 2 some-new-thing"
