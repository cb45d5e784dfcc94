"""One HTML file that shows arms of runs: tables, curves, race lines and a film; it needs no network."""
