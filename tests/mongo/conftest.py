"""A server for the tests of this folder, and a node over it."""

import pytest
from pymongo import MongoClient

from mongo.standin import MongoFactory, mongodb


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    with mongodb(tmp_path_factory.mktemp("mongodb")) as url:
        yield url


@pytest.fixture
def store_factory(server):
    factory = MongoFactory(server)
    yield factory
    factory.close()


@pytest.fixture
def client(server):
    with MongoClient(server) as opened:
        yield opened
