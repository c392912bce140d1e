"""Work for real threads: what computes for long would hold up all greenlets of a worker."""

import os
from collections.abc import Callable
from functools import cache
from typing import TypeVar

from gevent.monkey import is_module_patched
from gevent.threadpool import ThreadPool

T = TypeVar("T")


def beside_the_loop(job: Callable[[], T]) -> T:
    """What the job gives; under gevent the caller alone waits for it.

    The job must release the interpreter's lock while it computes, and not wait for greenlets.
    """
    if not is_module_patched("threading"):
        return job()
    done: T = _threads().apply(job)
    return done


@cache
def _threads() -> ThreadPool:
    return ThreadPool(os.cpu_count() or 1)
