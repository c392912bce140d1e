"""Chat for a local network: one core, spoken in several HTTP dialects."""

__version__ = "0.1.0"
