"""The `sqllava` command, a module for each of its commands."""
