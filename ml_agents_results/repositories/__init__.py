"""SQL, and nothing but SQL: each repository works on a connection and never commits."""
