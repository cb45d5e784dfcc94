"""What a game says about its car, over TCP: the kinds of records, and a reader in the background."""
