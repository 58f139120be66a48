"""The bounded contexts. Each is a folder with the same rooms; see docs/ and the README of each."""
