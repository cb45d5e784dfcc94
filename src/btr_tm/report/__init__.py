"""What a run leaves to look at: plots, summaries, videos."""
