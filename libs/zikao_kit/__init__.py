"""What every zikao service shares: server, errors, configuration, database, crypto."""
