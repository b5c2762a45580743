"""What every kind of driver asks of the system: memory, locks, lists, strings, configuration, interfaces."""
