"""What is measured, how it is reduced, and where it is written."""
