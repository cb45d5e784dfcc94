"""The road: track files, blocks, and the ribbon of stations they become."""
