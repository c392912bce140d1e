"""How workers end without cutting anybody off: after their successors, and after the last guest."""

import ctypes
import mmap
import socket
import struct
import sys

SO_ATTACH_FILTER = 26

# Classic BPF on the TCP header: (flags & (SYN | ACK)) == SYN is dropped, all else is kept.
_NO_NEWCOMERS = (
    (0x30, 0, 0, 13),  # load the byte of the flags
    (0x54, 0, 0, 0x12),  # keep SYN and ACK
    (0x15, 0, 1, 0x02),  # SYN alone?
    (0x06, 0, 0, 0),  # drop
    (0x06, 0, 0, 0xFFFFFFFF),  # keep
)


def admit_nobody(listener: socket.socket) -> bool:
    """Has the kernel begin no further connection on it, in any process; whether it can do that.

    Connections that have begun are completed and can still be accepted: who closes the socket
    after that resets nobody. Newcomers go on trying, until the port refuses them or listens
    anew. Linux only.
    """
    if sys.platform != "linux":
        return False
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *i) for i in _NO_NEWCOMERS))
    program = struct.pack("HL", len(_NO_NEWCOMERS), ctypes.addressof(code))
    try:
        listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)
    except OSError:
        return False
    return True


class Succession:
    """What the server process and its workers know of a reload; made before they are forked.

    Workers are told apart by their age, which counts up with every worker that is started.
    """

    def __init__(self) -> None:
        self._shared = memoryview(mmap.mmap(-1, 16)).cast("q")  # each written by a plain store

    def begin(self, youngest: int) -> None:
        """Workers up to this age are about to be replaced; 0: nobody is, the server stops."""
        self._shared[0] = youngest

    def ready(self, age: int) -> None:
        """A worker of this age is about to serve."""
        self._shared[1] = age

    def awaited(self, age: int) -> bool:
        """Whether a worker of this age has to stay, since nobody could take its place yet."""
        replaced, successor = self._shared
        return age <= replaced and successor <= replaced


succession = Succession()  # one for all: imported by the server process, before it forks
