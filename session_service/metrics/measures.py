"""The service's metrics: one place that names, counts and shows them."""

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
    values,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from session_service.metrics.cells import AllPlaces, Cells
from session_service.metrics.places import Place
from session_service.metrics.processes import NAMESPACE, Process, Processes

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER = "other"
UNMATCHED = "unmatched"
ROUTE_PARAMETER = re.compile(r"<(?:[^<>]*:)?([^<>:]+)>")
# Seconds. Most calls take a few milliseconds, replies of language models many seconds.
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
MOST_REASONS = 50  # kinds of failure told apart; what fails is not always ours to name

disable_created_metrics()  # type: ignore[no-untyped-call]

Bound = tuple[Callable[[], None], Callable[[float], None]]


class Metrics:
    """Counts for one process, and shows what all processes of its server have counted.

    `place` is where a worker of several counts; without one, this process serves alone.
    """

    def __init__(self, version: str, place: Place | None = None) -> None:
        # Chosen here and not by the library, which goes by an environment that may be another's.
        values.ValueClass = Cells(place) if place else values.MutexValue
        self._place = place
        self._registry = CollectorRegistry()
        alone = [Process(0, os.getpid(), time.time())]
        self._processes = Processes(
            lambda: [Process(*each) for each in place.workers()] if place else alone, version
        )
        counter = self._counter
        self._requests_total = counter("requests", "Requests answered.", "method route status")
        self._request_duration = Histogram(
            f"{NAMESPACE}_request_duration_seconds",
            "Time to the answer.",
            ["method", "route"],
            registry=self._registry,
            buckets=BUCKETS,
        )
        self._messages_total = counter(
            "messages_stored", "Messages stored, repeats not counted.", "kind sender"
        )
        self._replies_total = counter("replies", "Automatic replies made.", "engine outcome reason")
        self._database_errors_total = counter(
            "database_errors", "Operations that the database failed.", "kind"
        )
        self._streams = Gauge(
            f"{NAMESPACE}_streams_open",
            "Streams of answers open now.",
            registry=self._registry,
            multiprocess_mode="livesum",
        )
        self._bound: dict[tuple[str, str | None, int], Bound] = {}
        self._reasons: set[str] = set()

    def request(self, method: str, route: str | None, status: int, seconds: float) -> None:
        """An answered request; `route` is its rule, None for a path or method of none."""
        key = (method if method in METHODS else OTHER, route, status)
        count, observe = self._bound.get(key) or self._bind(key)
        count()
        observe(seconds)

    def messages(self, kind: str) -> Callable[[str], None]:
        """Counts a stored message of this kind; told its sender, 'user' or 'server'."""
        counts = {each: self._messages_total.labels(kind, each).inc for each in ("user", "server")}
        return lambda sender: counts[sender]()

    def replies(self, engine: str) -> Callable[[str | None], None]:
        """Counts a reply of this engine; told why it failed, None where it did not."""
        succeeded = self._replies_total.labels(engine, "ok", "none").inc

        def count(reason: str | None) -> None:
            if reason is None:
                succeeded()
            else:
                self._replies_total.labels(engine, "fallback", self._known(reason)).inc()

        return count

    def database_failed(self, kind: str) -> None:
        """An operation that failed; `kind` is the driver's name for what went wrong."""
        self._database_errors_total.labels(kind).inc()

    @contextmanager
    def stream(self) -> Iterator[None]:
        """A stream is open while this is."""
        self._streams.inc()
        try:
            yield
        finally:
            self._streams.dec()

    def text(self) -> bytes:
        """All metrics of all processes in Prometheus' text format, see CONTENT_TYPE."""
        shown = CollectorRegistry(auto_describe=False)
        shown.register(self._processes)
        if self._place is None:
            return generate_latest(shown) + generate_latest(self._registry)
        shown.register(AllPlaces(self._place))
        return generate_latest(shown)

    def _counter(self, name: str, about: str, labels: str) -> Counter:
        return Counter(f"{NAMESPACE}_{name}", about, labels.split(), registry=self._registry)

    def _bind(self, key: tuple[str, str | None, int]) -> Bound:
        method, rule, status = key
        route = ROUTE_PARAMETER.sub(r"{\1}", rule) if rule else UNMATCHED
        bound = (
            self._requests_total.labels(method, route, status).inc,
            self._request_duration.labels(method, route).observe,
        )
        self._bound[key] = bound
        return bound

    def _known(self, reason: str) -> str:
        if len(self._reasons) < MOST_REASONS:
            self._reasons.add(reason)
        return reason if reason in self._reasons else OTHER
