"""The contract suite on MongoDB, or on what stands in for it."""

import pytest

from mongo.standin import MongoFactory, mongodb
from taxii_fed.storage.contract.suite import *  # noqa: F403 — the suite

pytestmark = [pytest.mark.mongodb, pytest.mark.timeout(900)]


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    with mongodb(tmp_path_factory.mktemp("mongodb")) as url:
        yield url


@pytest.fixture
def store_factory(server):
    factory = MongoFactory(server)
    yield factory
    factory.close()
