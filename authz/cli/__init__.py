"""The command line of operators and scripts."""
