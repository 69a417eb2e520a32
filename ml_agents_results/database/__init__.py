"""The database itself: tables, connections, migrations and care."""
