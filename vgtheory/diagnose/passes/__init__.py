"""Passes through a program, forwards and back, with sizes of any magnitude."""
