"""Regression targets of the quantile loss: one file per kind."""
