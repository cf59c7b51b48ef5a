"""A PDF document that is written as it is made: nothing of a page is kept once it is out."""
