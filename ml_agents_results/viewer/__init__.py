"""Viewer: the results in a browser, read from the database and graded into it.

`application.create_app` gives the ASGI application, `server.serve` runs it.
"""
