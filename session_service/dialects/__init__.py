"""The HTTP APIs: one vocabulary, one envelope and one list of routes each."""
