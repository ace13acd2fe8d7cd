"""Experiments: one script per question, one corridor for all."""
