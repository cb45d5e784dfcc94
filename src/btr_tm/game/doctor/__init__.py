"""Finding out where the chain between us and a game is broken, link by link."""
