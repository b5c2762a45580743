"""The command `ndisemu`: runs machines, shows what they do, and says what this computer lacks."""
