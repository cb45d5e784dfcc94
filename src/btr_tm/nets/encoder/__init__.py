"""Image encoders: a body of convolutions, a norm on its kernels, a pool at its end."""
