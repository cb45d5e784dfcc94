"""The simulator as a game for people: laps in real time with the keys, against recorded races."""
