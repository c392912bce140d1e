"""gunicorn's gevent worker, in a terminal."""

import signal

from gunicorn.workers.ggevent import GeventWorker


class Worker(GeventWorker):  # type: ignore[misc]
    """Leaves Ctrl-C, which a terminal sends to all processes, to the server process."""

    def init_signals(self) -> None:
        super().init_signals()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
