"""Prometheus metrics of the server, with labels of fixed words only: no party, collection or object can be read from them (I1)."""

from __future__ import annotations

import os

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The environment variable that names the folder through which processes share their metrics; to be set before the first import."""

_METHODS = frozenset({"GET", "HEAD", "POST", "DELETE", "OPTIONS"})
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """Counts requests. With several processes each writes to ``PROMETHEUS_MULTIPROC_DIR``, and any of them tells for all."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "taxii_fed_requests", "Requests answered.", ("endpoint", "method", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "taxii_fed_request_seconds", "Time to an answer.", ("endpoint",), buckets=_BUCKETS, registry=self._registry
        )
        self._objects = Counter(
            "taxii_fed_objects", "Objects and entries handed out or taken in.", ("endpoint",), registry=self._registry
        )
        self._known: dict[tuple[str, str, int], tuple[Counter, Histogram, Counter]] = {}

    def note(self, endpoint: str, method: str, status: int, seconds: float, objects: int) -> None:
        """Count one request."""
        key = (endpoint, method if method in _METHODS else "other", status)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = (
                self._requests.labels(key[0], key[1], str(status)),
                self._seconds.labels(endpoint),
                self._objects.labels(endpoint),
            )
        known[0].inc()
        known[1].observe(seconds)
        if objects:
            known[2].inc(objects)

    def text(self) -> bytes:
        """Return all metrics in the text format of Prometheus, those of the other processes included."""
        if METRICS_FOLDER not in os.environ:
            return generate_latest(self._registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)
