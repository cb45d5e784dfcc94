"""Driving, learning, evaluating, saving: the loop and what it needs."""
