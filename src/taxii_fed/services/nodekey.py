"""The key that a store was made with: with another one all cursors, ids of edited copies and pseudonyms would change."""

from __future__ import annotations

from taxii_fed.core.errors import StoreError
from taxii_fed.core.keys import Keys
from taxii_fed.ports import Store
from taxii_fed.services.rerun import rerun

_NODE, _KEY = "node", "key"
"""Kind and name of the document that holds the fingerprint."""


def require_key(store: Store, keys: Keys) -> None:
    """Raise `StoreError` where the store was made with another key. One that holds no fingerprint yet takes any."""
    with store.read() as reader:
        kept = reader.doc(_NODE, _KEY)
    if kept is not None and kept["fingerprint"] != keys.fingerprint:
        raise StoreError(
            "this is not the key that this store was made with: restore node.key from the backup. With another one all cursors, ids of "
            "edited copies and pseudonyms would change."
        )


@rerun
def keep_key(store: Store, keys: Keys) -> None:
    """Note the fingerprint of the key in a store that holds none yet."""
    with store.read() as reader:
        if reader.doc(_NODE, _KEY) is not None:
            return
    with store.write() as writer:
        if writer.doc(_NODE, _KEY) is None:
            writer.put_doc(_NODE, _KEY, {"fingerprint": keys.fingerprint})
