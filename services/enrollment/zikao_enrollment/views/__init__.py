"""What everybody sees: read at short intervals, kept in memory."""
