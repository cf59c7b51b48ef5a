"""How many processes and which database an opening needs, derived from what calls cost."""
