"""Pure foundations: ids, hashing, paths, globs, clocks. Imports nothing of ours but
`dassie.errors`."""
