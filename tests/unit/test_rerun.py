"""Work whose transaction gets lost is run again, and only then."""

import pytest

from taxii_fed.core.errors import NotFoundError, StoreUnavailableError, TransactionLostError
from taxii_fed.services import rerun as module
from taxii_fed.services.rerun import rerun


@pytest.fixture(autouse=True)
def pauses(monkeypatch):
    taken = []
    monkeypatch.setattr(module, "_pause", taken.append)
    return taken


class Work:
    """Raises what it is given, one each turn, and then returns."""

    def __init__(self, *errors):
        self.errors = list(errors)
        self.turns = 0

    def __call__(self, value):
        self.turns += 1
        if self.errors:
            raise self.errors.pop(0)
        return value


def lost(times):
    return [TransactionLostError("lost")] * times


def test_work_is_run_until_it_goes_through(pauses):
    work = Work(*lost(3))
    assert rerun(work)(7) == 7
    assert (work.turns, pauses) == (4, [0, 1, 2])


def test_work_that_is_lost_again_and_again_is_given_up():
    work = Work(*lost(99))
    with pytest.raises(TransactionLostError):
        rerun(work)(7)
    assert work.turns == 6


@pytest.mark.parametrize("error", [StoreUnavailableError("busy"), NotFoundError()])
def test_other_errors_are_not_answered_by_another_turn(error):
    work = Work(error)
    with pytest.raises(type(error)):
        rerun(work)(7)
    assert work.turns == 1
