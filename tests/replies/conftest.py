"""One stand-in endpoint for the tests of a module."""

from collections.abc import Iterator

import pytest

from tests.replies.asking import none_open
from tests.replies.upstream import Upstream, says, upstream


@pytest.fixture(scope="module")
def shared_endpoint() -> Iterator[Upstream]:
    with upstream() as running, pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_PROXY", "*")
        yield running


@pytest.fixture
def endpoint(shared_endpoint: Upstream) -> Upstream:
    none_open(shared_endpoint)
    shared_endpoint.answers = [says("hello")]
    shared_endpoint.requests.clear()
    shared_endpoint.pauses.clear()
    return shared_endpoint
