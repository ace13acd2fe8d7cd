"""Replicas of a model, whose units together are the particles of its infinite-width twin."""
