"""The grey camera as loops for a CPU, translated by Numba; `grey.camera` is the reference."""
