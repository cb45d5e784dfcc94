"""What the parts cost: speeds, shares of time and memory, measured side by side."""
