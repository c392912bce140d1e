"""The service beside its floor, and a page of a long session beside one of a short session."""
