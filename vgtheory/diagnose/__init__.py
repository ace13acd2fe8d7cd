"""The porch: what a user points at their own model."""

from vgtheory.diagnose.infinite_width import InfiniteWidth, LayerLaw, TwinPlan, infinite_width

__all__ = ["InfiniteWidth", "LayerLaw", "TwinPlan", "infinite_width"]
