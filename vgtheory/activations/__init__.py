"""What activations are made of: their functions for JAX and for NumPy, their kinks and cusps."""
