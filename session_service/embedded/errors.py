"""What can go wrong with the embedded database."""

from session_service.errors import ServiceError


class EmbeddedError(ServiceError):
    """The embedded database cannot be had; the message is one line for the operator."""

    code = "embedded"


class InUse(EmbeddedError):
    """Another server runs on the same data directory."""
