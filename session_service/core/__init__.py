"""The rules of the service: no HTTP, no database, no wire formats."""
