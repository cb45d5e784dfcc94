"""Collectors outside the process that learns: chunks of driving come in, versions of weights go out."""
