"""`pachctl`, with Pachyderm's grammar."""
