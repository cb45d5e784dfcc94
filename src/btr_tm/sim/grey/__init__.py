"""The small grey picture that the network sees."""
