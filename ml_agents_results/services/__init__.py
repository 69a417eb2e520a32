"""Services: arithmetic on what the repositories counted; nothing here reads a database row."""
