"""The tickets service: room arrangement, admission tickets and their signed proof."""
