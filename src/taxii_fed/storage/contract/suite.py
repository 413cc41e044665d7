"""All tests of the suite, for a test module to import."""

from taxii_fed.storage.contract import (
    erasing,
    inbound,
    leases,
    ledger,
    machine,
    pages,
    processes,
    stamps,
    tables,
    transactions,
)
from taxii_fed.storage.contract.builders import ManualClock, StoreFactory

_MODULES = (erasing, inbound, leases, ledger, machine, pages, processes, stamps, tables, transactions)
_TESTS = {name: each for module in _MODULES for name, each in vars(module).items() if name.startswith("test_")}
globals().update(_TESTS)

__all__ = ["ManualClock", "StoreFactory", *_TESTS]  # noqa: PLE0604 — names of functions
