"""Settings that every test shares."""

import os

from hypothesis import HealthCheck, settings

settings.register_profile("fast", deadline=None, max_examples=30, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("thorough", parent=settings.get_profile("fast"), max_examples=500)
settings.register_profile("few", parent=settings.get_profile("fast"), max_examples=8)
settings.load_profile(os.environ.get("TAXII_FED_HYPOTHESIS", "fast"))
