"""Rewards: what a decision was worth. One file per reward, all called as `moment.Reward` says."""
