"""What happened, in order: the events of a machine and the formats in which people and programs read them."""
