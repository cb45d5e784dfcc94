"""How an action is chosen from action values while exploring."""
