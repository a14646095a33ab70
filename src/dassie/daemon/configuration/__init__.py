"""Where the server's settings come from: flags, environment, secret files, a file, defaults.

Pure functions of arguments, an environment mapping and a file reader; `read.read` puts them
together. What the settings are is in `settings`; `daemon.config.Config` holds the result.
"""
