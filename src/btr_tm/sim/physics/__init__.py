"""The car: its constants, its state, and the 10 ms tick that moves it."""
