"""Files of the game (Gbx): maps, replays and ghosts, as far as lines and checks need them."""
