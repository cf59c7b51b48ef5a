"""The waiting room before an opening: what a process keeps of it in memory, and who comes in."""
