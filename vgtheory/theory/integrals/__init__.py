"""Gaussian expectations of activations, and their tables. Nothing here is for users."""
