"""The large colour view for people."""
