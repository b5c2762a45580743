"""What NDIS demands, as tables: states, ownership, levels, and the errors that name the broken rule."""
