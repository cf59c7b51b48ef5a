"""What the service asks of others: mail server, SMS gateway, identity provider."""
