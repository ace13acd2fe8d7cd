"""Figures: one script each; they read results and compute nothing."""
