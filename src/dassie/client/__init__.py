"""The wire API from the client's side: connection, configuration, bulk transfer. Never imports the
server."""
