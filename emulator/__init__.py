"""The NDIS 6 machine: floors that import only downwards, from the layout of memory up to the commands."""
