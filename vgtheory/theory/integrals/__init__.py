"""Gaussian expectations of activations, and their tables. Users need nothing from here."""
