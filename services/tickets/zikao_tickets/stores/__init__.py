"""What the service asks of its database: one class a subject, one method a named query."""
