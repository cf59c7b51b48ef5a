"""The `zikao` command: runs, rehearses and audits the services on one machine."""
