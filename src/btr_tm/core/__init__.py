"""The vocabulary every other package uses; imports nothing from the rest of btr_tm."""
