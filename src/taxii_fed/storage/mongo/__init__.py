"""The distributed store: MongoDB, a replica set or a sharded cluster, for any number of processes on any number of machines."""

from taxii_fed.storage.mongo.store import MongoStore

__all__ = ["MongoStore"]
