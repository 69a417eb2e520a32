"""What people read: columns, tables and wording, and their renderers."""
