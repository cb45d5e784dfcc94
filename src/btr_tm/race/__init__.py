"""What a race is, whichever backend shows it: actions, line, progress, features, rewards. Pure torch."""
