"""The site's sources."""
