"""Results of runs: plots, summaries, videos, comparisons."""
