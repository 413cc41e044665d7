"""Settings of properties."""

from hypothesis import HealthCheck, settings

on_one_store = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
"""For properties whose examples share a store and keep out of each other's way by views of their own."""
