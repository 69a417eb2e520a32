"""Pages: each parses what its address says, asks the services and repositories, and renders."""
