"""`zikao backup` and `zikao restore`: an installation on one machine in one file, and back."""
