"""Breaks an installation on purpose, one fault after the other, and looks what became of it."""
