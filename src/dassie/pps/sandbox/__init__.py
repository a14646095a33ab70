"""What user code is shut into: namespaces by bubblewrap, or a plain process where that is allowed."""
