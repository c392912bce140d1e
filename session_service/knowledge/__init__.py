"""What an answer may look up: indexes of a user's texts."""
