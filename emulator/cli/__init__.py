"""The command `ndisemu`: arguments and configuration in, exit codes and readable lines out."""
