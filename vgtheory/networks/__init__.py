"""Nouns for networks: how each kind of random network is drawn."""
