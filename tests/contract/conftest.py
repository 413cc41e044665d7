"""Binds the suite in `taxii_fed.storage.contract` to the stores."""

import pytest

pytest.register_assert_rewrite("taxii_fed.storage.contract")
