"""What `python -m btr_tm` and `python -m btr_tm.X` do."""
