"""The car: its figures, its state, and the 10 ms tick that moves it."""
