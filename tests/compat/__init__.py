"""The official clients, played against one real server."""
