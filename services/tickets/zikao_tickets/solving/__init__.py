"""Arrangements by exact models, in processes of their own; only those load the solver."""
