"""The suite that every store passes (design, section 7).

A store binds it in a test module of its own: import everything from here and give a ``store_factory`` fixture that returns a
`StoreFactory`. No test may be left out: `tools/contract.py` fails when two stores did not run the same ones.
"""

from taxii_fed.storage.contract.builders import ManualClock, StoreFactory
from taxii_fed.storage.contract.erasing import *  # noqa: F403 — a suite is what it collects
from taxii_fed.storage.contract.inbound import *  # noqa: F403
from taxii_fed.storage.contract.leases import *  # noqa: F403
from taxii_fed.storage.contract.ledger import *  # noqa: F403
from taxii_fed.storage.contract.pages import *  # noqa: F403
from taxii_fed.storage.contract.stamps import *  # noqa: F403
from taxii_fed.storage.contract.tables import *  # noqa: F403
from taxii_fed.storage.contract.transactions import *  # noqa: F403

_SUITE = {name: each for name, each in globals().items() if name.startswith("test_")}

__all__ = ["ManualClock", "StoreFactory", *_SUITE]  # noqa: PLE0604 — all are names of functions
