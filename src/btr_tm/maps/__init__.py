"""Maps of the game and lines along them: Gbx files, lines from replays, and what is wrong with a line."""
