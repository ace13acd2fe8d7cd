"""Remedies for vanishing and exploding gradients, each tried on the diagnosed model and batch."""
