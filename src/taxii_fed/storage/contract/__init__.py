"""The suite that every store passes (design, section 7).

A store binds it in a test module of its own: import everything from here and give a ``store_factory`` fixture that returns a
`StoreFactory`. No test may be left out: `tools/contract.py` fails when two stores did not run the same ones.
"""

from taxii_fed.storage.contract import (
    erasing,
    inbound,
    leases,
    ledger,
    machine,
    pages,
    stamps,
    tables,
    transactions,
)
from taxii_fed.storage.contract.builders import ManualClock, StoreFactory

_MODULES = (erasing, inbound, leases, ledger, machine, pages, stamps, tables, transactions)
_TESTS = {name: each for module in _MODULES for name, each in vars(module).items() if name.startswith("test_")}
globals().update(_TESTS)

__all__ = ["ManualClock", "StoreFactory", *_TESTS]  # noqa: PLE0604 — names of functions
