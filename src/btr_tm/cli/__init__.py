"""The command line: the only package that knows Hydra. Torch is imported only when a run is built."""
