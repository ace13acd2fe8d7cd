"""A loss as a list of operations, the layers in it, and the paths between them."""
