"""What user code is shut into: namespaces, or a plain process where that is allowed."""
