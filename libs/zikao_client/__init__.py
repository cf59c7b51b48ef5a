"""The typed client of a zikao installation, for portals and other internal systems."""
