"""This folder goes on the PYTHONPATH of a CPU server's process, and nowhere else.

It holds an importable `sgl_kernel` for machines where the real one, built for CUDA, does not load.
"""
