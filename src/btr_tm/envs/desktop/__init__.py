"""A racing game in a window of this computer, in real time: its screen, its telemetry, its keys."""
