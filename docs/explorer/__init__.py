"""The explorer: one page that computes the laws of ``vgtheory`` from tables, without a server or a network."""
