"""The porch: what a user points at their own model."""
