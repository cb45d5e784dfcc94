"""The real game as a program on this machine: plugin, installation, processes, and a stand-in for it."""
