"""The plumbing: configurations into cells, cells into files, files into labelled tables; and the command line."""
