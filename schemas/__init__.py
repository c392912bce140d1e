"""What each dialect's manual calls things, and what it takes; the door of marshmallow."""
