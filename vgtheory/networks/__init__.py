"""Nouns for networks: each describes how a kind of random network is drawn."""
