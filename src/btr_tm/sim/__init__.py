"""The embedded game: a stadium-car racing simulator in batched PyTorch."""
